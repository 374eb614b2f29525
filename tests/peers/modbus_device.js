// A Modbus device of another make (jsmodbus): known values in all tables. It has 100 registers and
// refuses what lies beyond. Prints "ready PORT" when it listens.
//
//   node modbus_device.js [PORT [NUMBER]]
//
// With a NUMBER it has 124 registers, of which those from 64 on say who they are and of when, as in
// modbus_device.c.
"use strict";
const net = require("net");
const { server } = require("jsmodbus");

const words = (buffer) => Buffer.from(buffer).swap16().reverse(); // the last register first

const number = Number(process.argv[3] || 0);
const holding = Buffer.alloc(number ? 248 : 200);
holding.writeInt16BE(-1234, 0);
holding.writeUInt16BE(60000, 2);
holding.writeInt32BE(-123456789, 4);
words(holding.subarray(4, 8)).copy(holding, 8);
holding.writeUInt32BE(4000000000, 12);
holding.writeFloatBE(3.25, 16);
const half = Buffer.alloc(4);
half.writeFloatBE(-0.5);
words(half).copy(holding, 20);
holding.writeDoubleBE(1e9 + 0.125, 24);
const tiny = Buffer.alloc(8);
tiny.writeDoubleBE(-1e-9);
words(tiny).copy(holding, 32);
holding.writeBigInt64BE(-1234567890123n, 40);
const large = Buffer.alloc(8);
large.writeBigUInt64BE(9007199254740991n);
words(large).copy(holding, 48);
holding.write("SN-2024/07", 60, "latin1");
holding.writeUInt16BE(0x0105, 80);
holding.writeUInt16BE(2, 100);
holding.writeUInt16BE(77, 102);

const bits = (step) => {
  const packed = Buffer.alloc(8);
  for (let i = 0; i < 64; i += step) packed[i >> 3] |= 1 << (i & 7);
  return packed;
};

const tellNumber = () => {
  const tenths = Math.floor(Date.now() / 100) % 100000;
  for (let n = 0; n < 29; n += 1) {
    holding.writeUInt32BE(number * 10000000 + n * 100000 + tenths, (n < 16 ? 128 : 132) + 4 * n);
  }
};
if (number) {
  tellNumber();
  setInterval(tellNumber, 20);
}

const sockets = net.createServer();
new server.TCP(sockets, { holding, input: holding, coils: bits(3), discrete: bits(5) });
sockets.listen(Number(process.argv[2] || 0), "127.0.0.1", () => {
  console.log(`ready ${sockets.address().port}`);
});
process.stdin.on("end", () => process.exit(0)).resume(); // ends with the test that started it
