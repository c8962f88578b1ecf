// Calls by @grpc/grpc-js until nobody listens any more: `node grpc_load.js HOST:PORT PATH BODY TOKEN`.
//
// BODY is in hexadecimal. It prints what came of the calls, as JSON: 'OK' is an answer that begins
// with the body, and what else there is is a status with its text.
const grpc = require('@grpc/grpc-js');

const [address, path, hexadecimal, token] = process.argv.slice(2);
const IN_FLIGHT = 16;
const NOBODY_LISTENS = /ECONNREFUSED|No connection established/;
const bytes = (value) => value;
const client = new grpc.Client(address, grpc.credentials.createInsecure());
const metadata = new grpc.Metadata();
if (token) metadata.set('authorization', token);
const body = Buffer.from(hexadecimal, 'hex');
const fates = {};
let running = IN_FLIGHT;

function next() {
  client.makeUnaryRequest(path, bytes, bytes, body, metadata, {}, (error, answer) => {
    if (error && error.code === grpc.status.UNAVAILABLE && NOBODY_LISTENS.test(error.details)) {
      running -= 1;
      if (running === 0) {
        console.log(JSON.stringify(fates));
        client.close();
      }
      return;
    }
    const right = !error && answer.subarray(0, body.length).equals(body);
    const fate = right ? 'OK' : error ? `${error.code} ${error.details}` : 'wrong answer';
    fates[fate] = (fates[fate] || 0) + 1;
    setImmediate(next);
  });
}

for (let call = 0; call < IN_FLIGHT; call += 1) next();
