import fc from 'fast-check';

/** Segments that are not identifiers, and those with a meaning in a pattern. */
const segments = ['a', 'b', '', '__proto__', 'constructor', '\0', '\ud800', '*', '**', 'a*', '***', '1'];

/** Any text that a ledger takes as the name of goods. */
export const anyName: fc.Arbitrary<string> = fc
  .array(fc.constantFrom(...segments), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join('/'));

/** Any text that a ledger takes as a pattern. Mostly stars and two segments, so that many names match. */
export const anyPattern: fc.Arbitrary<string> = fc.oneof(
  anyName,
  fc.array(fc.constantFrom('a', 'b', '*', '**'), { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/')),
);
