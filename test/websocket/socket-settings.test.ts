import { describe, expect, test } from 'vitest';
import type { TransportOptions } from '../../src/transport/transport-settings.ts';
import {
  agreedSettings,
  rows,
  type SocketSettingsOptions,
  sharedSettings,
  socketSettings,
} from '../../src/websocket/socket-settings.ts';
import { noTakeover, takeover } from '../support/deflating.ts';

type Name = keyof SocketSettingsOptions;

interface Example {
  readonly value: unknown;
  /** The options of the transport for the value. */
  readonly expected: Partial<TransportOptions>;
}

/** For each option a value that is not its default. An option that is missing here does not compile. */
const examples = {
  allowSynchronousEvents: { value: false, expected: { allowSynchronousEvents: false } },
  autoPong: { value: false, expected: { autoPong: false } },
  closeTimeout: { value: 5, expected: { closeTimeout: 5 } },
  generateMask: { value: (mask: Buffer) => mask.fill(1), expected: { nextMaskingKey: expect.any(Function) } },
  maxBufferedChunks: { value: 5, expected: { maxBufferedChunks: 5 } },
  maxFragments: { value: 5, expected: { maxFragments: 5 } },
  maxPayload: { value: 5, expected: { maxPayload: 5 } },
  perMessageDeflate: {
    value: { threshold: 5, concurrencyLimit: 3 },
    expected: { deflate: { agreement: noTakeover, threshold: 5 }, concurrencyLimit: 3 },
  },
  skipUTF8Validation: { value: true, expected: { skipUTF8Validation: true } },
} satisfies Record<Name, Example>;

const cases = Object.entries(examples) as readonly [Name, Example][];
const defaults = { role: 'server', skipUTF8Validation: false };

test('every option of a socket has a row, and an example here', () => {
  expect(Object.keys(rows).sort()).toEqual(Object.keys(examples).sort());
});

describe('the settings of a socket', () => {
  test.each(cases)('have the option %s that was given', (name, { value, expected }) => {
    const agreement = name === 'perMessageDeflate' ? noTakeover : undefined;
    const { options } = socketSettings({ [name]: value }, true, agreement);
    expect(options).toEqual({ ...defaults, ...expected });
  });

  test.each([undefined, null])('leave all other defaults to the transport if an option is %s or missing', (value) => {
    expect(socketSettings({}, false).options).toEqual({ role: 'client', skipUTF8Validation: false });
    expect(socketSettings({ perMessageDeflate: value as undefined }, true, takeover).options).toEqual({
      ...defaults,
      deflate: { agreement: takeover },
    });
  });

  test('have no permessage-deflate unless it was negotiated, and is still wanted', () => {
    expect(socketSettings({ perMessageDeflate: true }, true).deflate).toBe(null);
    expect(socketSettings({ perMessageDeflate: false }, true, noTakeover).deflate).toBe(null);
  });

  test('report an invalid option of permessage-deflate before any other', () => {
    const maxPayload = Symbol('no number') as never;
    expect(() => socketSettings({ maxPayload, perMessageDeflate: { threshold: -1 } }, true, noTakeover)).toThrow(
      RangeError,
    );
  });

  test('take masking keys from the function that fills four octets', () => {
    const { nextMaskingKey } = socketSettings({ generateMask: (mask) => mask.writeInt32LE(-7) }, false).options;
    expect(nextMaskingKey?.()).toBe(-7);
  });
});

describe('the settings that the sockets of a server share', () => {
  const options = (): SocketSettingsOptions => ({ maxPayload: 1000, perMessageDeflate: true });

  test('are the same object as long as no option has changed', () => {
    const first = sharedSettings(options());
    expect(sharedSettings(options(), first)).toBe(first);
  });

  test.each(cases)('are new ones if %s has changed, unless a server does not have it', (name, { value, expected }) => {
    const first = sharedSettings(options());
    const next = sharedSettings({ ...options(), [name]: value }, first);
    if (name === 'generateMask') {
      expect(next).toBe(first);
      return;
    }
    expect(next).not.toBe(first);
    const agreement = name === 'perMessageDeflate' ? noTakeover : null;
    expect(agreedSettings(next, agreement).options).toMatchObject(expected);
  });

  test('are one object for each set of parameters of permessage-deflate', () => {
    const shared = sharedSettings(options());
    const settings = [null, noTakeover, takeover].map((agreement) => agreedSettings(shared, agreement));
    expect(new Set(settings).size).toBe(3);
    for (const [i, agreement] of [null, { ...noTakeover }, { ...takeover }].entries())
      expect(agreedSettings(shared, agreement)).toBe(settings[i]);
  });
});
