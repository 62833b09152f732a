// Ends by itself once the callbacks of a message to this thread have been called.
const { afterMessage } = await import('../../dist/cjs/event-loop/after-poll.js');

const later = afterMessage();
later(() => {
  console.log('called');
  later(() => console.log('again'));
});
