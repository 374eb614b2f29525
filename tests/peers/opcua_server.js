// An independent OPC UA server with a shearer as in OPC 40560, from the official nodesets.
//
// Arguments, as key=value:
//   port       0 for any (default)
//   nodesets   folder of the NodeSet2 files
//   pki        folder for the server's own certificate
//   shift      so many foreign namespaces come first, so that all indices move (default 0)
//   late_s     the shearer appears so many seconds after the start (default 0)
//   trust      "all" (default) or "none": which client certificates are taken
//
// Prints "READY <port>" once it serves, and "REQUEST <name>" for each kind of request it gets, once.
// Lines on stdin: "remove" and "add" take the shearer away and bring it back. Ends with its stdin,
// or after ten minutes.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const opcua = require("node-opcua");

const SITE = "urn:lamproom:test:mine";
const SHEARER = "http://opcfoundation.org/UA/Mining/Extraction/ShearerLoader/";
const MINING = "http://opcfoundation.org/UA/Mining/General/";
const DI = "http://opcfoundation.org/UA/DI/";
const NODESETS = ["Di", "Machinery", "Mining.General", "Mining.Extraction.General",
  "Mining.Extraction.ShearerLoader"];
const LIFE_MS = 600_000;
const MOVE_MS = 100;
const USER = "reader";
const PASSWORD = "lamp-42";

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

function addShearer(addressSpace) {
  const index = (uri) => addressSpace.getNamespaceIndex(uri);
  const site = addressSpace.getNamespace(SITE);
  const type = addressSpace.findObjectType("ShearerLoaderType", index(SHEARER));
  const deviceSet = addressSpace.rootFolder.objects.getFolderElementByName("DeviceSet", index(DI));
  const shearer = type.instantiate({
    browseName: { name: "Shearer1", namespaceIndex: site.index },
    componentOf: deviceSet,
    namespace: site,
  });
  const child = (parent, name, uri) => parent.getChildByName(name, index(uri));
  const parameters = child(shearer, "ParameterSet", DI);
  const set = (node, dataType, value) => node.setValueFromSource({ dataType, value });
  const { Double, Int32, String, LocalizedText } = opcua.DataType;
  set(child(parameters, "MaxLength", SHEARER), Double, 14.5);
  set(child(parameters, "DrivingDirection", SHEARER), Int32, 2);
  const identity = child(shearer, "MiningEquipmentIdentification", MINING);
  set(child(identity, "SerialNumber", DI), String, "SL-0042");
  set(child(identity, "Manufacturer", DI), LocalizedText, { text: "Example Works" });
  set(child(identity, "Model", DI), LocalizedText, { text: "SL 900" });
  return { shearer, position: child(parameters, "Position", SHEARER) };
}

async function main() {
  const folder = options.nodesets;
  const server = new opcua.OPCUAServer({
    port: Number(options.port || 0),
    hostname: "127.0.0.1",
    nodeset_filename: [
      opcua.nodesets.standard,
      ...foreignNodesets(Number(options.shift || 0), options.pki),
      ...NODESETS.map((name) => path.join(folder, `Opc.Ua.${name}.NodeSet2.xml`)),
    ],
    serverCertificateManager: new opcua.OPCUACertificateManager({
      rootFolder: options.pki,
      automaticallyAcceptUnknownCertificate: options.trust !== "none",
    }),
    userManager: { isValidUser: (user, password) => user === USER && password === PASSWORD },
    serverInfo: { applicationUri: "urn:lamproom:test:server" },
    maxConnectionsPerEndpoint: 20,
  });
  await server.initialize();
  const addressSpace = server.engine.addressSpace;
  addressSpace.registerNamespace(SITE);

  let machine = null;
  let metres = 100;
  const appear = () => { machine = machine || addShearer(addressSpace); };
  const commands = {
    add: appear,
    remove: () => { addressSpace.deleteNode(machine.shearer); machine = null; },
  };
  setInterval(() => {
    metres = metres >= 200 ? 100 : metres + 0.5;
    if (machine) {
      machine.position.setValueFromSource({ dataType: opcua.DataType.Double, value: metres });
    }
  }, MOVE_MS);

  const seen = new Set();
  server.on("request", (request) => {
    const name = request.constructor.name;
    if (!seen.has(name)) {
      seen.add(name);
      console.log(`REQUEST ${name}`);
    }
  });
  const lateMs = Number(options.late_s || 0) * 1000;
  if (lateMs > 0) {
    setTimeout(appear, lateMs);
  } else {
    appear();
  }
  await server.start();
  console.log(`READY ${server.endpoints[0].port}`);
  setTimeout(() => process.exit(1), LIFE_MS);
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => commands[line]());
  lines.on("close", () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
