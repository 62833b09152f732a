import { once } from 'node:events';
import net from 'node:net';

/** Opens a TCP connection to a port of the loopback interface. Its errors are ignored. */
export async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Returns everything received until the server ends the connection, and whether it does. */
export async function exchange(port: number, text: string): Promise<string> {
  const socket = await connect(port);
  let received = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => {
    received += chunk;
  });
  socket.write(text);
  await once(socket, 'end');
  socket.destroy();
  return received;
}

/** Returns the head of a response, from a server that may leave the connection open. */
export async function exchangeHead(port: number, text: string): Promise<string> {
  const socket = await connect(port);
  const head = await new Promise<string>((resolve) => {
    let received = '';
    socket.setEncoding('utf8');
    const check = (chunk = '') => {
      received += chunk;
      const end = received.indexOf('\r\n\r\n');
      if (end !== -1) resolve(received.slice(0, end));
    };
    socket.on('data', check);
    socket.on('close', () => resolve(received));
    socket.write(text);
  });
  socket.destroy();
  return head;
}
