// An independent OPC UA server of devices whose numbers say who they are and of when: for faults.
//
// Arguments, as key=value:
//   port       0 for any (default)
//   pki        folder for the server's own certificate
//   devices    NAME:NUMBER,NAME:NUMBER: Objects/Plant/<NAME>/v0 to v5, as in modbus_device.c
//   shift      so many foreign namespaces come first, so that all indices move (default 0)
//
// Lines on stdin: "remove NAME" and "add NAME" take a device away and bring it back; "bad NAME N"
// says of its first N variables from v3 on that their sensor has failed, "good NAME" that none has;
// "forget" ends all sessions; "ahead" sets the server's clock an hour ahead, "fast" lets it go
// twice as fast, "right" sets it right. Prints "READY <port>". Ends with its stdin, or after ten
// minutes.
"use strict";

const options = Object.fromEntries(process.argv.slice(2).map((word) => word.split("=")));

// Before anything else asks for the time.
const RealDate = Date;
let aheadMs = () => 0;
global.Date = class extends RealDate {
  constructor(...words) {
    super(...(words.length ? words : [RealDate.now() + aheadMs()]));
  }

  static now() {
    return RealDate.now() + aheadMs();
  }
};

const readline = require("node:readline");
const opcua = require("node-opcua");

const SITE = "urn:lamproom:test:plant";
const VARIABLES = 6;
const CHANGE_MS = 200;
const LIFE_MS = 600_000;
const HOUR_MS = 3_600_000;

class Device {
  constructor(namespace, plant, name, number) {
    Object.assign(this, { namespace, plant, name, number, bad: 0, folder: null });
    this.add();
  }

  add() {
    this.folder = this.namespace.addObject({ browseName: this.name, componentOf: this.plant });
    this.variables = Array.from({ length: VARIABLES }, (_, n) => this.namespace.addVariable({
      browseName: `v${n}`,
      componentOf: this.folder,
      dataType: "Double",
      value: { dataType: opcua.DataType.Double, value: 0 },
    }));
    this.change();
  }

  remove(addressSpace) {
    addressSpace.deleteNode(this.folder);
    this.folder = null;
  }

  change() {
    if (!this.folder) return;
    const tenths = Math.floor(RealDate.now() / 100) % 100_000;
    this.variables.forEach((variable, n) => {
      const isBad = n >= 3 && n < 3 + this.bad || this.bad >= VARIABLES;
      const value = this.number * 10_000_000 + n * 100_000 + tenths;
      variable.setValueFromSource(
        { dataType: opcua.DataType.Double, value },
        isBad ? opcua.StatusCodes.BadSensorFailure : opcua.StatusCodes.Good,
      );
    });
  }
}

async function main() {
  const server = new opcua.OPCUAServer({
    port: Number(options.port || 0),
    hostname: "127.0.0.1",
    nodeset_filename: [opcua.nodesets.standard],
    serverCertificateManager: new opcua.OPCUACertificateManager({
      rootFolder: options.pki,
      automaticallyAcceptUnknownCertificate: true,
    }),
    serverInfo: { applicationUri: "urn:lamproom:test:plant" },
    maxConnectionsPerEndpoint: 200,
    serverCapabilities: { maxSessions: 500, maxSubscriptions: 500 },
  });
  await server.initialize();
  const addressSpace = server.engine.addressSpace;
  for (let n = 0; n < Number(options.shift || 0); n += 1) {
    addressSpace.registerNamespace(`urn:lamproom:test:foreign:${n}`);
  }
  const namespace = addressSpace.registerNamespace(SITE);
  const plant = namespace.addObject({
    browseName: "Plant", organizedBy: addressSpace.rootFolder.objects,
  });
  const devices = Object.fromEntries(options.devices.split(",").map((word) => {
    const [name, number] = word.split(":");
    return [name, new Device(namespace, plant, name, Number(number))];
  }));
  setInterval(() => Object.values(devices).forEach((device) => device.change()), CHANGE_MS);

  const commands = {
    add: (name) => devices[name].add(),
    remove: (name) => devices[name].remove(addressSpace),
    bad: (name, count) => { devices[name].bad = Number(count); },
    good: (name) => { devices[name].bad = 0; },
    forget: () => {
      for (const session of Object.values(server.engine._sessions)) {
        server.engine.closeSession(session.authenticationToken, true, "Terminated");
      }
    },
    ahead: () => { aheadMs = () => HOUR_MS; },
    fast: () => {
      const sinceMs = RealDate.now();
      aheadMs = () => RealDate.now() - sinceMs;
    },
    right: () => { aheadMs = () => 0; },
  };
  await server.start();
  console.log(`READY ${server.endpoints[0].port}`);
  setTimeout(() => process.exit(1), LIFE_MS);
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const [command, ...words] = line.split(" ");
    commands[command](...words);
  });
  lines.on("close", () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
