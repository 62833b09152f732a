// Each project is an environment of Vitest. In a vm pool the tests, and the library that is inlined, are in another realm than Node's modules.
const project = (name, options) => ({ test: { name, include: ['*.vitest.mjs'], ...options } });
const inline = { server: { deps: { inline: [/goodwire/] } } };

export default {
  test: {
    projects: [
      project('node', { environment: 'node' }),
      project('jsdom', { environment: 'jsdom' }),
      project('happy-dom', { environment: 'happy-dom' }),
      project('jsdom, inlined', { environment: 'jsdom', ...inline }),
      project('jsdom in a vm', { environment: 'jsdom', pool: 'vmThreads' }),
      project('happy-dom in a vm', { environment: 'happy-dom', pool: 'vmThreads' }),
      project('node in a vm', { environment: 'node', pool: 'vmForks' }),
    ],
  },
};
