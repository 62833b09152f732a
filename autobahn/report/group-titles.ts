/** Titles of the groups of the catalogue, by the first number of their ids. */
export const groupTitles: ReadonlyMap<string, string> = new Map([
  ['1', 'Framing'],
  ['2', 'Pings and pongs'],
  ['3', 'Reserved bits'],
  ['4', 'Opcodes'],
  ['5', 'Fragmentation'],
  ['6', 'UTF-8'],
  ['7', 'Closing handshake'],
  ['9', 'Limits and performance'],
  ['10', 'Miscellaneous'],
  ['12', 'Compression: payloads'],
  ['13', 'Compression: parameters'],
]);
