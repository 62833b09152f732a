import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { Aedes } from 'aedes';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { crash, listen, next } from './loopback.ts';
import { eventually } from './until.ts';

type AedesOptions = NonNullable<Parameters<typeof Aedes.createBroker>[0]>;

async function serveMqtt(options: AedesOptions = {}, port = 0) {
  const broker = await Aedes.createBroker(options);
  const httpServer = createServer();
  const webSocketServer = new WebSocketServer({ server: httpServer });
  const closes: number[] = [];
  const subscriptions: string[] = [];
  broker.on('subscribe', (list) => subscriptions.push(...list.map(({ topic }) => topic)));
  webSocketServer.on('connection', (socket, request) => {
    socket.on('close', (code) => closes.push(code));
    broker.handle(createWebSocketStream(socket), request);
  });
  const listening = await listen(httpServer, port);
  onTestFinished(() => new Promise((resolve) => broker.close(resolve)));
  return {
    broker,
    httpServer,
    webSocketServer,
    closes,
    subscriptions,
    port: listening,
    url: `ws://127.0.0.1:${listening}`,
  };
}

async function client(url: string, options: IClientOptions = {}): Promise<MqttClient> {
  const connected = await mqtt.connectAsync(url, { reconnectPeriod: 20, ...options });
  onTestFinished(() => void connected.end(true));
  return connected;
}

/** Resolves with the next message of a client: its topic, payload and whether it was retained. */
async function nextPublish(receiver: MqttClient): Promise<[topic: string, payload: Buffer, retained: boolean]> {
  const [topic, payload, packet] = await next(receiver, 'message');
  return [topic, payload, packet.retain];
}

test('the subprotocol is agreed on, and text and binary payloads arrive at every quality of service', async () => {
  const { url, webSocketServer } = await serveMqtt();
  const [publisher, subscriber] = [await client(url), await client(url)];
  expect([...webSocketServer.clients].map(({ protocol }) => protocol)).toEqual(['mqtt', 'mqtt']);
  await subscriber.subscribeAsync('fruit/#', { qos: 2 });
  const octets = randomBytes(1_048_576);
  for (const qos of [0, 1, 2] as const) {
    for (const payload of ['grüße, 世界 🚀', octets]) {
      const received = nextPublish(subscriber);
      await publisher.publishAsync(`fruit/apple/${qos}`, payload, { qos });
      const [topic, data] = await received;
      expect(topic).toBe(`fruit/apple/${qos}`);
      expect(data.equals(Buffer.from(payload))).toBe(true);
    }
  }
});

test('a burst arrives whole and in order under backpressure of the stream', async () => {
  const { url } = await serveMqtt({ queueLimit: 1_000 });
  const [publisher, subscriber] = [await client(url), await client(url)];
  await subscriber.subscribeAsync('burst', { qos: 1 });
  const received: number[] = [];
  let octets = 0;
  subscriber.on('message', (_topic, payload) => {
    received.push(payload.readUInt32BE(0));
    octets += payload.length;
  });
  const payloads = Array.from({ length: 200 }, (_, i) => {
    const payload = Buffer.alloc(65_536, i & 255);
    payload.writeUInt32BE(i);
    return payload;
  });
  await Promise.all(payloads.map((payload) => publisher.publishAsync('burst', payload, { qos: 1 })));
  await eventually(() => expect(received).toHaveLength(200));
  expect(received).toEqual(Array.from({ length: 200 }, (_, i) => i));
  expect(octets).toBe(200 * 65_536);
});

test('several subscribers get the topics they subscribed to; a late one gets retained messages', async () => {
  const { url } = await serveMqtt();
  const publisher = await client(url);
  const [all, some] = [await client(url), await client(url)];
  await all.subscribeAsync('+/temperature');
  await some.subscribeAsync('cellar/temperature');
  const [heardByAll, heardBySome]: [string[], string[]] = [[], []];
  all.on('message', (topic) => heardByAll.push(topic));
  some.on('message', (topic) => heardBySome.push(topic));
  await publisher.publishAsync('attic/temperature', '31', { qos: 1 });
  await publisher.publishAsync('cellar/temperature', '12', { qos: 1, retain: true });
  await eventually(() => expect([heardByAll.length, heardBySome.length]).toEqual([2, 1]));
  expect(heardByAll).toEqual(['attic/temperature', 'cellar/temperature']);
  expect(heardBySome).toEqual(['cellar/temperature']);
  const late = await client(url);
  const retained = nextPublish(late);
  await late.subscribeAsync('#');
  expect(await retained).toEqual(['cellar/temperature', Buffer.from('12'), true]);
});

test('an unauthorized client is refused', async () => {
  const { url } = await serveMqtt({
    authenticate: (_client, name, password, done) => done(null, name === 'gustav' && `${password}` === 'secret'),
  });
  await expect(
    mqtt.connectAsync(url, { username: 'gustav', password: 'guess', reconnectPeriod: 0 }, false),
  ).rejects.toThrow('Connection refused: Not authorized');
  expect((await client(url, { username: 'gustav', password: 'secret' })).connected).toBe(true);
});

test('a client reconnects to a restarted broker, with its subscriptions and unsent messages', async () => {
  const first = await serveMqtt();
  const [publisher, subscriber] = [await client(first.url), await client(first.url)];
  await subscriber.subscribeAsync('news', { qos: 1 });
  const lost = [next(publisher, 'close'), next(subscriber, 'close')];
  await crash(first.httpServer);
  await Promise.all(lost);
  const received = nextPublish(subscriber);
  const second = await serveMqtt({}, first.port);
  await eventually(() => expect(second.subscriptions).toEqual(['news']));
  await publisher.publishAsync('news', 'we are back', { qos: 1 });
  expect(await received).toEqual(['news', Buffer.from('we are back'), false]);
});

test('a kept session gets messages sent while its client was away', async () => {
  const { url, broker } = await serveMqtt();
  const away = await client(url, { clientId: 'away', clean: false });
  await away.subscribeAsync('post', { qos: 1 });
  const gone = next(broker, 'clientDisconnect');
  await away.endAsync();
  await gone;
  await (await client(url)).publishAsync('post', 'a letter', { qos: 1 });
  const back = mqtt.connect(url, { clientId: 'away', clean: false });
  onTestFinished(() => void back.end(true));
  expect(await nextPublish(back)).toEqual(['post', Buffer.from('a letter'), false]);
});

test('the will of a client is published if its connection is lost, and not if it disconnects', async () => {
  const { url, broker, closes } = await serveMqtt();
  const heir = await client(url);
  await heir.subscribeAsync('wills/#');
  const heard: string[] = [];
  heir.on('message', (topic) => heard.push(topic));
  const polite = await client(url, { will: { topic: 'wills/polite', payload: Buffer.from('-') } });
  const left = next(broker, 'clientDisconnect');
  await polite.endAsync();
  await left;
  const cut = await client(url, { reconnectPeriod: 0, will: { topic: 'wills/cut', payload: Buffer.from('-') } });
  const carriedOut = nextPublish(heir);
  cut.stream.destroy();
  await carriedOut;
  expect(heard).toEqual(['wills/cut']);
  // DISCONNECT ends the stream, which closes the WebSocket. Destroying the stream terminates the WebSocket.
  await eventually(() => expect(closes).toEqual([1005, 1006]));
});

test('a broker that disconnects a client ends its WebSocket', async () => {
  const { url, broker } = await serveMqtt();
  const victim = await client(url, { clientId: 'victim', reconnectPeriod: 0 });
  const closed = next(victim, 'close');
  const clients = (broker as unknown as { clients: Record<string, { close(): void }> }).clients;
  clients.victim!.close();
  await closed;
  expect(victim.connected).toBe(false);
});
