import { EventEmitter } from 'node:events';

// An EventEmitter keeps its listeners in an object without a prototype, which V8 makes a dictionary: 180 octets for a few names. Node's own
// streams give the object the names of their events at the start. Such an object has a fixed shape and takes a third of the memory. For a
// server with 100 000 idle connections that saves 10 MB.

/** Table of listeners with the names of the events of a WebSocket. */
class EventTable {
  close = undefined;
  error = undefined;
  message = undefined;
  ping = undefined;
  pong = undefined;
}
Reflect.deleteProperty(EventTable.prototype, 'constructor');
Object.setPrototypeOf(EventTable.prototype, null);

interface WithTable {
  _events: object;
}

/**
 * True if this Node.js treats a name whose value is undefined as one without listeners. It has to, as long as its own streams have such
 * names.
 */
const isSupported = (() => {
  try {
    const probe = new EventEmitter();
    (probe as unknown as WithTable)._events = new EventTable();
    let calls = 0;
    probe.once('close', () => calls++).on('ping', () => calls++);
    probe.emit('close');
    probe.emit('close');
    probe.emit('message');
    return calls === 1 && probe.listenerCount('error') === 0 && probe.listenerCount('ping') === 1;
  } catch {
    return false;
  }
})();

/** Gives a new EventEmitter a table of listeners that takes less memory, if this Node.js supports that. */
export function useSmallEventTable(emitter: EventEmitter): void {
  if (isSupported) (emitter as unknown as WithTable)._events = new EventTable();
}
