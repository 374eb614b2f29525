// Follows a mine: every event and where everyone is, over all restarts of the gateway.
//   npm install @grpc/grpc-js @grpc/proto-loader
//   node follow.js 127.0.0.1:50051
//   node follow.js gateway.mine:50051 ca.pem screen.pem screen.key
'use strict';
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [address, ...pem] = process.argv.slice(2);
const files = ['lamproom/v1/event.proto', 'lamproom/v1/position.proto'];
const definition = loader.loadSync(files, {
  includeDirs: [process.env.LAMPROOM_PROTO || path.join(__dirname, '../../proto')],
  keepCase: true, defaults: true, longs: String, enums: String, oneofs: true,
});
const { EventService, PositionService } = grpc.loadPackageDefinition(definition).lamproom.v1;
const [ca, cert, key] = pem.map((file) => fs.readFileSync(file));
const credentials = ca ? grpc.credentials.createSsl(ca, key, cert) : grpc.credentials.createInsecure();
const options = {
  'grpc.keepalive_time_ms': 10000, 'grpc.keepalive_timeout_ms': 5000, 'grpc.max_reconnect_backoff_ms': 1000,
};

// Calls again after each break-off, with the last cursor: 0.1 s later, then more, 2 s at most.
function follow(open, onMessage) {
  let cursor = null;
  let waitMs = 100;
  const call = () => {
    const stream = open(cursor);
    stream.on('data', (answer) => {
      waitMs = 100;
      const message = answer[answer.message];
      onMessage(answer.message, message);
      if (message.cursor && message.cursor.length) cursor = message.cursor;
      if (answer.message === 'reset') cursor = null; // what follows starts anew
    });
    stream.on('error', (error) => console.error(error.details));
    stream.on('status', () => { // the call has ended, well or not
      setTimeout(call, waitMs * (0.5 + Math.random() / 2));
      waitMs = Math.min(2 * waitMs, 2000);
    });
  };
  call();
}

const events = new EventService(address, credentials, options);
follow((cursor) => events.WatchEvents(cursor ? { cursor } : { sequence: 1 }), (kind, message) => {
  if (kind === 'event') console.log('event', message.sequence, message.text);
  if (kind === 'gap') console.log('lost', message.first_sequence, message.last_sequence, message.reason);
});

const cards = new Map();
const positions = new PositionService(address, credentials, options);
follow((cursor) => positions.WatchPositions(cursor ? { cursor } : {}), (kind, message) => {
  if (kind === 'directory') message.entries.forEach((entry) => cards.set(entry.tag_handle, entry.card));
  if (kind !== 'frame') return;
  message.tag_handles.forEach((handle, i) => console.log(
    'position', cards.get(handle), message.x_mm[i] / 1000, message.y_mm[i] / 1000));
});
