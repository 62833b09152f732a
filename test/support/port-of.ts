import type { AddressInfo } from 'node:net';

/** Server on a port of the loopback interface. */
interface Listening {
  address(): AddressInfo | string | null;
}

/** Returns the port of a listening server. */
export function portOf(server: Listening): number {
  return (server.address() as AddressInfo).port;
}
