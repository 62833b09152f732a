import { describe, expect, it } from 'vitest';
import { EndpointDeflate } from '../../src/extension/endpoint-deflate.ts';
import { agreedDeflate, readDeflateOptions } from '../../src/extension/per-message-deflate-options.ts';

const none = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const text = Buffer.from('{"id":17,"name":"Ada"} '.repeat(40));

describe('an EndpointDeflate', () => {
  it('uses the parameters of its side: the client inflates the server’s messages', () => {
    const agreement = { ...none, serverNoContextTakeover: false, serverMaxWindowBits: 9, clientMaxWindowBits: 12 };
    const [server, client] = [
      new EndpointDeflate('server', { agreement }),
      new EndpointDeflate('client', { agreement }),
    ];
    expect([server.takesContextOver, client.takesContextOver]).toEqual([true, false]);
    expect([server.deflateOptions.windowBits, client.inflateOptions.windowBits]).toEqual([9, 9]);
    expect([server.inflateOptions.windowBits, client.deflateOptions.windowBits]).toEqual([12, 12]);
    const [deflater, inflater] = [server.deflater(), client.inflater()];
    for (let i = 0; i < 3; i++) expect(inflater.inflate(deflater.deflate(text), text.length)).toEqual(text);
    deflater.close();
    inflater.close();
  });

  it('shares one pair between connections without context takeover, and creates one for each with it', () => {
    const shared = new EndpointDeflate('server', { agreement: none });
    expect([shared.deflater(), shared.inflater()]).toEqual([shared.deflater(), shared.inflater()]);
    expect(shared.deflater()).toBe(shared.deflater());
    const agreement = { ...none, serverNoContextTakeover: false, clientNoContextTakeover: false };
    const own = new EndpointDeflate('server', { agreement });
    expect(own.deflater()).not.toBe(own.deflater());
    expect(own.inflater()).not.toBe(own.inflater());
  });

  it('compresses messages from the threshold on, and all of them with context takeover', () => {
    const endpoint = new EndpointDeflate('client', { agreement: none });
    expect([endpoint.isWorthIt(1023), endpoint.isWorthIt(1024)]).toEqual([false, true]);
    expect(new EndpointDeflate('client', { agreement: none, threshold: 0 }).isWorthIt(0)).toBe(true);
    const agreement = { ...none, clientNoContextTakeover: false };
    expect(new EndpointDeflate('client', { agreement }).isWorthIt(0)).toBe(true);
  });

  it('has the same variant as others that compress to the same octets, and as no other', () => {
    const variant = (role: 'server' | 'client', more: object = {}, options: object = {}) =>
      new EndpointDeflate(role, { agreement: { ...none, ...more }, ...options }).variant;
    expect(variant('server', { clientMaxWindowBits: 9, clientNoContextTakeover: false })).toBe(variant('server'));
    expect(variant('server', { serverMaxWindowBits: 9 })).not.toBe(variant('server'));
    expect(variant('server', {}, { zlibDeflateOptions: { level: 1 } })).not.toBe(variant('server'));
    const zlibDeflateOptions = { dictionary: Buffer.from('a') };
    expect(variant('server', {}, { zlibDeflateOptions })).not.toBe(variant('server', {}, { zlibDeflateOptions }));
  });
});

describe('the option perMessageDeflate', () => {
  it.each([false, null, undefined])('is disabled if it is %j', (option) => {
    expect(readDeflateOptions('server', option)).toBeNull();
    expect(readDeflateOptions('client', option)).toBeNull();
  });

  it('enables context takeover for a client, and for a server that sets it', () => {
    const terms = (role: 'server' | 'client', option: Parameters<typeof readDeflateOptions>[1]) => {
      const { serverNoContextTakeover, clientNoContextTakeover } = readDeflateOptions(role, option)!.terms;
      return [serverNoContextTakeover, clientNoContextTakeover];
    };
    expect(terms('client', true)).toEqual([undefined, undefined]);
    expect(terms('client', { contextTakeover: false })).toEqual([true, true]);
    expect(terms('server', true)).toEqual([true, true]);
    expect(terms('server', {})).toEqual([true, true]);
    expect(terms('server', { contextTakeover: true })).toEqual([undefined, undefined]);
    expect(terms('server', { serverNoContextTakeover: false })).toEqual([false, true]);
    expect(terms('server', { contextTakeover: true, clientNoContextTakeover: true })).toEqual([undefined, true]);
  });

  it('stores the result of an agreement', () => {
    const zlibDeflateOptions = { level: 3 };
    const options = {
      threshold: 5,
      maxFinalBlocks: 7,
      zlibDeflateOptions,
      concurrencyLimit: 2,
      serverMaxWindowBits: 9,
    };
    const configuration = readDeflateOptions('server', options)!;
    expect(configuration.concurrencyLimit).toBe(2);
    expect(configuration.terms.serverMaxWindowBits).toBe(9);
    expect(agreedDeflate(configuration, none)).toEqual({
      agreement: none,
      threshold: 5,
      maxFinalBlocks: 7,
      zlibDeflateOptions,
      zlibInflateOptions: undefined,
    });
  });

  it.each([
    [undefined, 1024],
    [7, 7],
    [0, Number.POSITIVE_INFINITY],
  ])('allows %s final blocks as %d', (maxFinalBlocks, expected) => {
    expect(new EndpointDeflate('server', { agreement: none, maxFinalBlocks }).maxFinalBlocks).toBe(expected);
  });

  it.each([
    [{ threshold: '5' }, TypeError, 'threshold must be a number, not a string'],
    [{ threshold: -1 }, RangeError, 'threshold must be 0 or more, not -1'],
    [{ concurrencyLimit: Number.NaN }, RangeError, 'concurrencyLimit must be 0 or more, not NaN'],
    [{ maxFinalBlocks: -1 }, RangeError, 'maxFinalBlocks must be 0 or more, not -1'],
    [{ maxFinalBlocks: '2' }, TypeError, 'maxFinalBlocks must be a number, not a string'],
    [{ serverMaxWindowBits: 7 }, RangeError, 'serverMaxWindowBits must be a whole number from 8 to 15, not 7'],
    [{ clientMaxWindowBits: '9' }, TypeError, 'clientMaxWindowBits must be a number or a boolean, not a string'],
    [{ zlibDeflateOptions: { level: 99 } }, RangeError, 'level'],
    [{ zlibInflateOptions: { dictionary: 5 } }, TypeError, 'dictionary'],
  ])('refuses %j at once', (option, kind, message) => {
    const read = () => readDeflateOptions('server', option as object);
    expect(read).toThrow(kind as ErrorConstructor);
    expect(read).toThrow(message);
  });

  it('treats null as missing', () => {
    const option = { threshold: null, concurrencyLimit: null, serverMaxWindowBits: null } as object;
    expect(readDeflateOptions('client', option)).toMatchObject({ options: { threshold: undefined } });
  });
});
