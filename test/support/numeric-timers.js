// Replaces the timers of this process by those of Jest with jsdom, and partly of Electron's renderer: numbers, and no
// setImmediate. Import it before anything else.

const { setTimeout: startTimeout, setInterval: startInterval, clearTimeout: stop } = globalThis;

/** Pending timers, by number. @type {Map<number, NodeJS.Timeout>} */
export const timers = new Map();
let last = 0;

/** @param {(...args: any[]) => void} callback @param {number} delay @param {any[]} args */
function numberedTimeout(callback, delay, ...args) {
  const number = ++last;
  const fire = () => {
    timers.delete(number);
    callback(...args);
  };
  timers.set(number, startTimeout(fire, delay));
  return number;
}

/** @param {() => void} callback @param {number} delay */
function numberedInterval(callback, delay) {
  timers.set(++last, startInterval(callback, delay));
  return last;
}

/** @param {number} number */
function clear(number) {
  stop(timers.get(number));
  timers.delete(number);
}

Object.assign(globalThis, {
  setTimeout: numberedTimeout,
  setInterval: numberedInterval,
  clearTimeout: clear,
  clearInterval: clear,
});
Reflect.deleteProperty(globalThis, 'setImmediate');
Reflect.deleteProperty(globalThis, 'clearImmediate');
