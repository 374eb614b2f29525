// A client in another language, from the .proto files alone: prints what it is told as JSON lines.
//
//   node grpc_client.js ADDRESS [SECONDS [FIRST_SEQUENCE]]
//
// Positions (every fix) and events until SECONDS (default 10) are over, or both streams have ended;
// events from FIRST_SEQUENCE on (default: from now on). Times in ns are text, as they do not fit a
// number of JavaScript.
"use strict";

const path = require("path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, seconds = "10", firstSequence] = process.argv.slice(2);
const root = path.join(__dirname, "../../proto");
const files = ["position", "event"].map((name) => `lamproom/v1/${name}.proto`);
const definition = loader.loadSync(files, {
  includeDirs: [root],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});
const { lamproom } = grpc.loadPackageDefinition(definition);
const credentials = grpc.credentials.createInsecure();
const names = new Map();
let open = 0;

function print(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

function printFrame(frame) {
  frame.tag_handles.forEach((handle, i) => {
    print({
      kind: "position",
      card: names.get(handle) ?? null,
      snapshot: frame.snapshot,
      t_ns: frame.t_ns[i],
      x_m: frame.x_mm[i] / 1000,
      y_m: frame.y_mm[i] / 1000,
      z_m: frame.z_mm[i] / 1000,
      var_x_m2: frame.var_x_m2[i],
      cov_xy_m2: frame.cov_xy_m2[i],
      var_y_m2: frame.var_y_m2[i],
      class: frame.fix_classes[i],
    });
  });
}

function onPosition(message) {
  if (message.message === "directory") {
    message.directory.entries.forEach((entry) => names.set(entry.tag_handle, entry.card));
  } else if (message.message === "frame") {
    printFrame(message.frame);
  } else {
    onOther("positions", message);
  }
}

function onEvent(message) {
  if (message.message !== "event") return onOther("events", message);
  const event = message.event;
  print({
    kind: "event",
    sequence: Number(event.sequence),
    event: event.kind,
    card: event.card,
    zone_id: event.zone_id,
    device_id: event.device_id,
    alarm: event.alarm && {
      id: event.alarm.alarm_id,
      rule: event.alarm.rule,
      level: event.alarm.level,
    },
    text: event.text,
    cursor: event.cursor.toString("base64"),
  });
}

function onOther(stream, message) {
  const { reason, first_sequence, last_sequence } = message[message.message];
  print({ kind: message.message, stream, reason, first_sequence, last_sequence });
}

function follow(stream, call, onMessage) {
  open += 1;
  call.on("data", onMessage);
  call.on("error", (error) => {
    print({ kind: "end", stream, code: grpc.status[error.code], details: error.details });
    open -= 1;
    if (open === 0) process.exit(0);
  });
}

const positions = new lamproom.v1.PositionService(address, credentials);
const events = new lamproom.v1.EventService(address, credentials);
const start = firstSequence ? { sequence: firstSequence } : {};
follow("positions", positions.WatchPositions({ sampling: "SAMPLING_EVERY_FIX" }), onPosition);
follow("events", events.WatchEvents(start), onEvent);
setTimeout(() => process.exit(0), Number(seconds) * 1000);
