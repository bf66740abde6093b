// Node's http2 as a server: server.mjs CERT KEY
import { readFileSync } from 'node:fs';
import { createSecureServer, constants } from 'node:http2';

const tell = (path, outcome, received) => console.log(`${path} ${outcome} ${received}`);

// What a path does with a stream that has been answered.
const paths = {
  echo(stream, path) {
    let received = 0;
    let sum;
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('trailers', (trailers) => { sum = trailers['x-sum']; });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', ...(sum && { 'x-sum': sum }) }));
    stream.on('data', (piece) => {
      received += piece.length;
      if (!stream.write(piece)) {
        stream.pause();
        stream.once('drain', () => stream.resume());
      }
    });
    stream.on('end', () => {
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR || stream.aborted) return;
      tell(path, 'end', received);
      stream.end();
    });
    stream.on('aborted', () => tell(path, 'reset', received));
  },
  sink(stream, path) {
    let received = 0;
    stream.respond({ ':status': 200 });
    stream.on('data', (piece) => { received += piece.length; });
    stream.on('end', () => {
      tell(path, 'end', received);
      stream.end(`${received}\n`);
    });
  },
  source(stream, path) {
    let received = 0;
    stream.respond({ ':status': 200 });
    stream.end('abcde');
    stream.on('data', (piece) => { received += piece.length; });
    stream.on('end', () => tell(path, 'end', received));
  },
  reset(stream) {
    stream.respond({ ':status': 200 });
    // stream.close(code) would end the answer in order first.
    stream.write('abcde', () => stream.destroy(new Error('reset')));
  },
};

const server = createSecureServer({ cert: readFileSync(process.argv[2]), key: readFileSync(process.argv[3]) });
server.on('stream', (stream, headers) => {
  const path = headers[':path'].split('?')[0];
  stream.on('error', () => {}); // a reset is one
  paths[path.split('/')[1]](stream, path);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
