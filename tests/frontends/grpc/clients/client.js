// The conversation of test_clients.py, by @grpc/grpc-js: `node client.js HOST:PORT` prints it as JSON.
const grpc = require('@grpc/grpc-js');

const bytes = (value) => value;
const method = (name, streams) => ({
  path: `/test.Echo/${name}`,
  requestStream: streams,
  responseStream: streams,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
const Echo = grpc.makeGenericClientConstructor(
  {
    echo: method('Echo', false),
    late: method('Late', false),
    none: method('None', false),
    stream: method('Stream', true),
  },
  'Echo',
);
const unlimited = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
};
const gzip = { ...unlimited, 'grpc.default_compression_algorithm': 2 };
const secure = grpc.credentials.createInsecure();
const client = new Echo(process.argv[2], secure, unlimited);
const zipping = new Echo(process.argv[2], secure, gzip);

function call(name, message, within, stub = client) {
  const metadata = new grpc.Metadata();
  metadata.set('authorization', 'Bearer abc');
  metadata.set('x-bin', Buffer.from([0, 255]));
  const options = within ? { deadline: Date.now() + within } : {};
  return new Promise((resolve) => {
    stub[name](message, metadata, options, (error, answer) => {
      resolve(error ? error.code : answer.equals(message));
    });
  });
}

function stream() {
  return new Promise((resolve) => {
    const both = client.stream();
    const got = [];
    both.on('data', (message) => got.push(message.toString()));
    both.on('status', (status) => resolve([...got, status.code]));
    both.on('error', () => {});
    for (const message of ['a', 'b', 'c']) both.write(Buffer.from(message));
    both.end();
  });
}

async function main() {
  const said = {};
  said.small = await call('echo', Buffer.from('hello'));
  said.empty = await call('echo', Buffer.alloc(0));
  said.large = await call('echo', Buffer.alloc(8_000_000, 'x'));
  said.gzip = await call('echo', Buffer.alloc(100_000, 'x'), 0, zipping);
  said.deadline = await call('echo', Buffer.from('hello'), 10_000);
  said.too_late = await call('late', Buffer.from('hello'), 10);
  said.unknown = await call('none', Buffer.from('hello'));
  const many = Array.from({ length: 200 }, (_, n) => call('echo', Buffer.from(`${n}`), 9_000 + n));
  said.many = (await Promise.all(many)).filter((answer) => answer === true).length;
  said.stream = await stream();
  console.log(JSON.stringify(said));
  client.close();
  zipping.close();
}

main();
