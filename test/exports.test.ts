import { describe, expect, test } from 'vitest';
import * as browser from '../src/browser.ts';
import * as goods from '../src/goods.ts';
import * as goodwire from '../src/index.ts';
import * as protocol from '../src/protocol.ts';

// A change of this list changes the public surface: record it in CHANGELOG.md.
const names = [
  'HandshakeError',
  'InflateError',
  'NegotiationError',
  'PerMessageDeflate',
  'PreparedMessage',
  'ProtocolError',
  'Receiver',
  'Sender',
  'WebSocket',
  'WebSocketServer',
  'createWebSocketStream',
  'default',
  'extension',
  'subprotocol',
  'upgrade',
];

/** Names that ws defines on its class; our other names are not in ws. */
const statics = [
  'PerMessageDeflate',
  'Receiver',
  'Sender',
  'Server',
  'WebSocket',
  'WebSocketServer',
  'createWebSocketStream',
  'extension',
  'subprotocol',
];

const goodsNames = [
  'Goods',
  'GoodsError',
  'Ledger',
  'Market',
  'MemoryBackplane',
  'Provider',
  'WireError',
  'defaultLimits',
  'defineGoods',
  'goodsErrors',
  'isGoodsName',
  'isPattern',
  'matches',
  'plainCoding',
  'subprotocol',
];

const protocolNames: string[] = [
  'CloseCode',
  'Connection',
  'ConnectionSettings',
  'FrameCollector',
  'FrameDecoder',
  'FrameWriter',
  'HandshakeError',
  'InflateError',
  'MessageDecoder',
  'MessageDeflater',
  'MessageInflater',
  'NegotiationError',
  'Opcode',
  'PreparedMessage',
  'ProtocolError',
  'Utf8Validator',
  'acceptDeflateOffer',
  'acceptDeflateResponse',
  'acceptKey',
  'agree',
  'agreementLines',
  'allowOrigins',
  'checkResponse',
  'defaultMaxPayload',
  'deflateTerms',
  'encodeFrame',
  'firstOctet',
  'formatClosePayload',
  'formatExtensions',
  'formatHead',
  'formatRefusal',
  'headerLength',
  'isControlOpcode',
  'isKnownOpcode',
  'isValidCloseCode',
  'maskInPlace',
  'maskInto',
  'maxHeaderLength',
  'maxReasonLength',
  'nextMaskingKey',
  'nextState',
  'offerDeflate',
  'parseAddress',
  'parseClosePayload',
  'parseExtensions',
  'parseSubprotocols',
  'permessageDeflate',
  'readKey',
  'readOffer',
  'requestFields',
  'requireSubprotocols',
  'rotateKey',
  'transitions',
  'violations',
  'writeHeader',
  'writeMessage',
];

describe('goodwire', () => {
  test('exports these names and no others', () => {
    expect(Object.keys(goodwire).sort()).toEqual([...names].sort());
  });

  test('exports the class itself, by default and by name', () => {
    expect(goodwire.default).toBe(goodwire.WebSocket);
    expect(goodwire.WebSocket.name).toBe('WebSocket');
  });

  test.each(['index', 'browser'])('gives the class to require of the ES module dist/%s.js', async (name) => {
    const exported = await import(`../dist/${name}.js`);
    expect(Object.keys(exported).sort()).toEqual([...names, 'module.exports'].sort());
    expect(exported['module.exports']).toBe(exported.WebSocket);
  });

  test('has everything as properties of the class, for programs that require it', () => {
    const { WebSocket, WebSocketServer } = goodwire;
    for (const name of statics) {
      const expected = name === 'Server' ? WebSocketServer : Reflect.get(goodwire, name);
      expect(Reflect.get(WebSocket, name), name).toBe(expected);
    }
    expect(Object.keys(WebSocket)).toEqual(expect.arrayContaining(statics));
  });

  test('has the same names in a browser, so that shared modules link', () => {
    // Webpack 5 would take that export for the result of require(), of which dist/browser.cjs then reads the class.
    expect(Object.keys(browser).sort()).toEqual(names.filter((name) => name !== 'module.exports').sort());
  });

  test('is the WebSocket of the platform in a browser, and no server', () => {
    expect(browser.WebSocket).toBe(globalThis.WebSocket);
    expect(browser.default).toBe(browser.WebSocket);
    expect(() => new browser.WebSocketServer()).toThrow('WebSocketServer requires Node.js');
  });

  test.each(['Receiver', 'Sender', 'PerMessageDeflate', 'PreparedMessage'] as const)(
    'has no %s in a browser',
    (name) => {
      expect(() => Reflect.construct(Reflect.get(browser, name), [])).toThrow(`${name} requires Node.js`);
    },
  );

  test('has no streams in a browser, and parses and formats fields in the same way', () => {
    expect(() => browser.createWebSocketStream()).toThrow('createWebSocketStream requires Node.js');
    expect(browser.extension).toBe(goodwire.extension);
    expect(browser.subprotocol).toBe(goodwire.subprotocol);
  });

  test('has no upgrade in a browser', async () => {
    await expect(browser.upgrade()).rejects.toThrow('upgrade requires Node.js');
  });
});

describe('goodwire/protocol', () => {
  test('exports these names and no others', () => {
    expect(Object.keys(protocol).sort()).toEqual([...protocolNames].sort());
  });
});

describe('goodwire/goods', () => {
  test('exports these names and no others', () => {
    expect(Object.keys(goods).sort()).toEqual(goodsNames);
  });
});
