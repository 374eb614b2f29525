// An independent OPC UA server with instances of types of the official nodesets.
//
// Arguments, as key=value:
//   port       0 for any (default)
//   nodesets   folder of the NodeSet2 files
//   pki        folder for the server's own certificate
//   models     names of the nodesets, in their order, with commas between them
//   instances  Name=Type|URI of its namespace|optional members (browse names, with spaces between
//              them), each instance separated by ";"
//
// The instances are components of DI's DeviceSet, in the namespace urn:lamproom:test:types. Prints
// "READY <port>" once it serves. Ends with its stdin, or after ten minutes.
"use strict";

const path = require("node:path");
const opcua = require("node-opcua");

const SITE = "urn:lamproom:test:types";
const DI = "http://opcfoundation.org/UA/DI/";
const LIFE_MS = 600_000;

const options = Object.fromEntries(process.argv.slice(2).map((word) => {
  const at = word.indexOf("=");
  return [word.slice(0, at), word.slice(at + 1)];
}));

function instantiate(addressSpace, words) {
  const [name, rest] = [words.slice(0, words.indexOf("=")), words.slice(words.indexOf("=") + 1)];
  const [typeName, uri, optionals] = rest.split("|");
  const index = (one) => addressSpace.getNamespaceIndex(one);
  const site = addressSpace.getNamespace(SITE);
  const type = addressSpace.findObjectType(typeName, index(uri));
  type.instantiate({
    browseName: { name, namespaceIndex: site.index },
    componentOf: addressSpace.rootFolder.objects.getFolderElementByName("DeviceSet", index(DI)),
    namespace: site,
    optionals: optionals ? optionals.split(" ") : [],
  });
}

async function main() {
  const server = new opcua.OPCUAServer({
    port: Number(options.port || 0),
    hostname: "127.0.0.1",
    nodeset_filename: [
      opcua.nodesets.standard,
      ...options.models.split(",").map(
        (name) => path.join(options.nodesets, `Opc.Ua.${name}.NodeSet2.xml`)),
    ],
    serverCertificateManager: new opcua.OPCUACertificateManager({
      rootFolder: options.pki,
      automaticallyAcceptUnknownCertificate: true,
    }),
    serverInfo: { applicationUri: "urn:lamproom:test:server" },
  });
  await server.initialize();
  const addressSpace = server.engine.addressSpace;
  addressSpace.registerNamespace(SITE);
  options.instances.split(";").forEach((words) => instantiate(addressSpace, words));
  await server.start();
  console.log(`READY ${server.endpoints[0].port}`);
  setTimeout(() => process.exit(1), LIFE_MS);
  process.stdin.resume();
  process.stdin.on("end", () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
