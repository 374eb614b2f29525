// An independent OPC UA server with an RFID reader and a positioning engine of the official AutoID
// nodeset, which raise events.
//
// Arguments, as key=value:
//   port       0 for any (default)
//   nodesets   folder of the NodeSet2 files
//   pki        folder for the server's own certificate
//   shift      so many foreign namespaces come first, so that all indices move (default 0)
//
// Prints "READY <port>" once it serves, and "REQUEST <name>" for each kind of request it gets, once.
// Lines on stdin are JSON: {"raise": "Reader1" or "Engine1", "results": [...]} raises one event with
// those results, in the members' names of node-opcua, times in milliseconds; "raw": a type's name and
// "body" in hexadecimal digits send bytes of one's own in the place of a result; {"remove": name} and
// {"add": name} take a device away and bring it back. Prints "RAISED <n>" for each event. Ends with
// its stdin, or after ten minutes.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const opcua = require("node-opcua");
const { OpaqueStructure } = require("node-opcua-extension-object");

const SITE = "urn:lamproom:test:mine";
const AUTOID = "http://opcfoundation.org/UA/AutoID/";
const DI = "http://opcfoundation.org/UA/DI/";
const LIFE_MS = 600_000;
// Of each device: its type, its event type, and the type of that event's results.
const DEVICES = {
  Reader1: ["RfidReaderDeviceType", "RfidScanEventType", "RfidScanResult"],
  Engine1: ["RtlsDeviceType", "RtlsLocationEventType", "RtlsLocationResult"],
};

const options = Object.fromEntries(process.argv.slice(2).map((word) => word.split("=")));

function foreignNodesets(count, folder) {
  return Array.from({ length: count }, (_, n) => {
    const uri = `urn:lamproom:test:foreign:${n}`;
    const file = path.join(folder, `foreign_${n}.xml`);
    fs.writeFileSync(file, `<?xml version="1.0" encoding="utf-8"?>
<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd">
  <NamespaceUris><Uri>${uri}</Uri></NamespaceUris>
  <Models><Model ModelUri="${uri}" Version="1.0.0" PublicationDate="2024-01-01T00:00:00Z">
    <RequiredModel ModelUri="http://opcfoundation.org/UA/" /></Model></Models>
</UANodeSet>`);
    return file;
  });
}

function withDates(value, key) {
  if (Array.isArray(value)) {
    return value.map((one) => withDates(one, key));
  }
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withDates(one, name)]));
  }
  if (/time/i.test(key)) {
    return new Date(value);
  }
  return /^(uId|byteString)$/.test(key) ? Buffer.from(value, "hex") : value;
}

class AutoId {
  constructor(server) {
    this.space = server.engine.addressSpace;
    this.autoid = this.space.getNamespaceIndex(AUTOID);
    this.site = this.space.registerNamespace(SITE);
    this.devices = {};
    this.raised = 0;
  }

  add(name) {
    const deviceSet = this.space.rootFolder.objects.getFolderElementByName(
      "DeviceSet", this.space.getNamespaceIndex(DI));
    const device = this.space.findObjectType(DEVICES[name][0], this.autoid).instantiate({
      browseName: { name, namespaceIndex: this.site.index },
      componentOf: deviceSet,
      namespace: this.site,
      eventSourceOf: this.space.rootFolder.objects.server,
    });
    device.setEventNotifier(1);
    device.getChildByName("DeviceStatus", this.autoid).setValueFromSource(
      { dataType: opcua.DataType.Int32, value: 2 });
    this.devices[name] = device;
  }

  remove(name) {
    this.space.deleteNode(this.devices[name]);
    delete this.devices[name];
  }

  result(typeName, words) {
    if (words.raw !== undefined) {
      const type = this.space.findDataType(words.raw, this.autoid);
      return new OpaqueStructure(
        type.getEncodingNode("Default Binary").nodeId, Buffer.from(words.body, "hex"));
    }
    const type = this.space.findDataType(words.type || typeName, this.autoid);
    delete words.type;
    return this.space.constructExtensionObject(type, withDates(words, ""));
  }

  raise(name, results) {
    const [, eventType, resultType] = DEVICES[name];
    const { DataType, VariantArrayType } = opcua;
    this.devices[name].raiseEvent(this.space.findEventType(eventType, this.autoid), {
      sourceNode: { dataType: DataType.NodeId, value: this.devices[name].nodeId },
      severity: { dataType: DataType.UInt16, value: 100 },
      message: { dataType: DataType.LocalizedText, value: { text: "seen" } },
      deviceName: { dataType: DataType.String, value: name },
      scanResult: {
        dataType: DataType.ExtensionObject,
        arrayType: VariantArrayType.Array,
        value: results.map((words) => this.result(resultType, words)),
      },
    });
    this.raised += 1;
    console.log(`RAISED ${this.raised}`);
  }

  other() {
    this.devices.Reader1.raiseEvent("BaseEventType", {
      message: { dataType: opcua.DataType.LocalizedText, value: { text: "something else" } },
      severity: { dataType: opcua.DataType.UInt16, value: 1 },
    });
  }
}

async function main() {
  const server = new opcua.OPCUAServer({
    port: Number(options.port || 0),
    hostname: "127.0.0.1",
    nodeset_filename: [
      opcua.nodesets.standard,
      ...foreignNodesets(Number(options.shift || 0), options.pki),
      ...["Di", "AutoID"].map((name) => path.join(options.nodesets, `Opc.Ua.${name}.NodeSet2.xml`)),
    ],
    serverCertificateManager: new opcua.OPCUACertificateManager({
      rootFolder: options.pki,
      automaticallyAcceptUnknownCertificate: true,
    }),
    serverInfo: { applicationUri: "urn:lamproom:test:server" },
  });
  await server.initialize();
  const autoid = new AutoId(server);
  Object.keys(DEVICES).forEach((name) => autoid.add(name));

  const seen = new Set();
  server.on("request", (request) => {
    const name = request.constructor.name;
    if (!seen.has(name)) {
      seen.add(name);
      console.log(`REQUEST ${name}`);
    }
  });
  await server.start();
  console.log(`READY ${server.endpoints[0].port}`);
  setTimeout(() => process.exit(1), LIFE_MS);
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const words = JSON.parse(line);
    if (words.raise) {
      autoid.raise(words.raise, words.results);
    } else if (words.other) {
      autoid.other();
    } else if (words.remove) {
      autoid.remove(words.remove);
    } else {
      autoid.add(words.add);
    }
  });
  lines.on("close", () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
