// An independent OPC UA server whose variables all change, again and again: for benchmarks.
//
// Arguments, as key=value:
//   pki        folder for the server's own certificate
//   groups     how many folders of 100 variables: Objects/Plant/G<n>/V<n>, each from 1
//   every_ms   how often each variable changes
//
// Prints "READY <port>" once it serves. Ends with its stdin, or after ten minutes.
"use strict";

const opcua = require("node-opcua");

const SITE = "urn:lamproom:test:changes";
const VARIABLES_A_GROUP = 100;
const LIFE_MS = 600_000;

const options = Object.fromEntries(process.argv.slice(2).map((word) => word.split("=")));

function addVariables(namespace, plant) {
  const variables = [];
  for (let group = 1; group <= Number(options.groups); group++) {
    const folder = namespace.addObject({ browseName: `G${group}`, organizedBy: plant });
    for (let n = 1; n <= VARIABLES_A_GROUP; n++) {
      variables.push(namespace.addVariable({
        browseName: `V${n}`,
        nodeId: `s=G${group}V${n}`,
        componentOf: folder,
        dataType: "Double",
        value: { dataType: opcua.DataType.Double, value: 0 },
      }));
    }
  }
  return variables;
}

async function main() {
  const server = new opcua.OPCUAServer({
    port: 0,
    hostname: "127.0.0.1",
    nodeset_filename: [opcua.nodesets.standard],
    serverCertificateManager: new opcua.OPCUACertificateManager({
      rootFolder: options.pki,
      automaticallyAcceptUnknownCertificate: true,
    }),
    serverInfo: { applicationUri: "urn:lamproom:test:changes" },
  });
  await server.initialize();
  const addressSpace = server.engine.addressSpace;
  const namespace = addressSpace.registerNamespace(SITE);
  const plant = namespace.addObject({
    browseName: "Plant", organizedBy: addressSpace.rootFolder.objects,
  });
  const variables = addVariables(namespace, plant);
  let count = 0;
  setInterval(() => {
    count += 1;
    for (const variable of variables) {
      variable.setValueFromSource({ dataType: opcua.DataType.Double, value: count });
    }
  }, Number(options.every_ms));
  await server.start();
  console.log(`READY ${server.endpoints[0].port}`);
  setTimeout(() => process.exit(1), LIFE_MS);
  process.stdin.on("end", () => process.exit(0)).resume();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
