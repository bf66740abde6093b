// Node's http2 as a client: client.mjs CASE URL CERT
import assert from 'node:assert';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, constants } from 'node:http2';

const [name, url, cert] = process.argv.slice(2);
const base = new URL(url);
const session = connect(base.origin, { ca: readFileSync(cert) });

async function open(path, options = {}) {
  const stream = session.request(
    { ':method': 'POST', ':path': base.pathname.replace(/^\/$/, '') + base.search + path }, options);
  stream.responded = once(stream, 'response');
  return stream;
}

async function head(stream) {
  const [headers] = await stream.responded;
  assert.equal(headers[':status'], 200);
}

async function hear(stream, message) {
  let got = '';
  while (got.length < message.length) {
    const piece = stream.read();
    if (piece === null) {
      assert(!stream.readableEnded, 'the answer ended');
      await Promise.race([once(stream, 'readable'), once(stream, 'end')]);
    } else {
      got += piece;
    }
  }
  assert.equal(got, message);
}

async function rest(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function post(path, body) {
  const stream = await open(path);
  stream.end(body);
  await head(stream);
  return String(await rest(stream));
}

const cases = {
  async unary() {
    assert.equal(await post('/echo', 'hello'), 'hello');
  },
  async echo_interleaved() {
    const stream = await open('/echo');
    await head(stream);
    for (let i = 0; i < 5; ++i) {
      stream.write(`message ${i}`);
      await hear(stream, `message ${i}`);
    }
    stream.end();
    assert.equal((await rest(stream)).length, 0);
  },
  async ten_megabytes() {
    const sent = randomBytes(10_000_000);
    const stream = await open('/echo');
    stream.end(sent);
    await head(stream);
    assert(sent.equals(await rest(stream)));
  },
  async trailers() {
    const stream = await open('/echo', { waitForTrailers: true });
    const trailers = once(stream, 'trailers');
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
    stream.end('checked');
    await head(stream);
    assert.equal(String(await rest(stream)), 'checked');
    assert.equal((await trailers)[0]['grpc-status'], '0');
  },
  async half_close_ours_first() {
    assert.equal(await post('/sink', 'some bytes'), '10\n');
  },
  async half_close_theirs_first() {
    const stream = await open('/source?bytes=5');
    await head(stream);
    assert.equal(String(await rest(stream)), 'abcde');
    if (!stream.closed) await once(stream, 'close');
    assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR);
    await cases.unary();
  },
  async reset_by_client() {
    const stop = new AbortController();
    const stream = await open('/echo', { signal: stop.signal });
    await head(stream);
    stream.write('forget me');
    await hear(stream, 'forget me');
    const stopped = once(stream, 'close').catch((error) => assert.equal(error.code, 'ABORT_ERR'));
    stop.abort(); // stream.close(code) would end our side in order first
    await stopped;
    await cases.unary(); // the connection lives on, and this comes behind the reset
  },
  async reset_by_server() {
    const stream = await open('/reset/CANCEL?after=5');
    await head(stream);
    const closed = once(stream, 'close');
    await hear(stream, 'abcde');
    stream.resume();
    await closed;
    assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL);
    await cases.unary();
  },
};

await cases[name]();
session.close();
console.log(name, 'passed');
