// A WG2 terminal as one writes it in Node: one stream, of which every message is a
// line of JSON, on standard input what is sent and on standard output what comes.
//
//   node client.cjs HOST:PORT PROTO_DIR Pipe|MultiPipe TOKEN MSISDN
const readline = require('node:readline');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const [address, protos, method, token, msisdn] = process.argv.slice(2);

const definition = protoLoader.loadSync('wgtwo/webterminal/v0/webterminal.proto', {
  includeDirs: [protos],
  enums: String,
  longs: String,
});
const { WebTerminalService } = grpc.loadPackageDefinition(definition).wgtwo.webterminal.v0;

const metadata = new grpc.Metadata();
metadata.set('authorization', `Bearer ${token}`);
metadata.set('wg2-msisdn', msisdn);

const client = new WebTerminalService(address, grpc.credentials.createInsecure());
const stream = client[method](metadata);
const heartbeat = setInterval(() => stream.write({}), 100);

stream.on('data', (message) => process.stdout.write(`${JSON.stringify(message)}\n`));
stream.on('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
stream.on('close', () => {
  clearInterval(heartbeat);
  client.close();
  process.stdin.destroy();
});

readline
  .createInterface({ input: process.stdin })
  .on('line', (line) => stream.write(JSON.parse(line)))
  .on('close', () => stream.cancel());
