// Bundles an entry. Prints nothing if all is well.
//
//   node build.cjs webpack4|webpack5|webpack5-for-node|browserify|metro|metro-without-exports|esbuild|rollup ENTRY OUTPUT
const { writeFileSync } = require('node:fs');
const path = require('node:path');

const [bundler, entry, output] = process.argv
  .slice(2)
  .map((argument, i) => (i === 0 ? argument : path.resolve(argument)));
const project = path.join(__dirname, '..');

const webpack = (implementation, target = 'web') =>
  new Promise((resolve, reject) => {
    const config = {
      mode: 'production',
      target,
      context: project,
      entry,
      output: { path: path.dirname(output), filename: path.basename(output), hashFunction: 'sha256' },
      optimization: { minimize: false },
      performance: { hints: false },
    };
    implementation(config, (error, stats) => {
      if (error) reject(error);
      else if (stats.hasErrors() || stats.hasWarnings())
        reject(new Error(stats.toString({ all: false, errors: true, warnings: true })));
      else resolve();
    });
  });

async function metro(exportsAreOn) {
  const Metro = require('metro');
  const config = await Metro.loadConfig(
    { cwd: project, resetCache: true },
    {
      projectRoot: project,
      reporter: { update: () => {} },
      cacheStores: [],
      maxWorkers: 1,
      resolver: {
        unstable_enablePackageExports: exportsAreOn,
        unstable_conditionNames: ['react-native'],
        resolverMainFields: ['react-native', 'browser', 'main'],
        useWatchman: false,
      },
      // React Native's parser.
      transformer: { hermesParser: true },
      serializer: { getPolyfills: () => [], getModulesRunBeforeMainModule: () => [] },
    },
  );
  const { code } = await Metro.runBuild(config, { entry, platform: 'android', dev: false, minify: false });
  writeFileSync(output, code);
}

const bundlers = {
  webpack4: () => webpack(require('webpack4')),
  webpack5: () => webpack(require('webpack5')),
  'webpack5-for-node': () => webpack(require('webpack5'), 'node'),
  browserify: () =>
    new Promise((resolve, reject) => {
      require('browserify')(entry).bundle((error, code) => {
        if (error) reject(error);
        else resolve(writeFileSync(output, code));
      });
    }),
  metro: () => metro(true),
  'metro-without-exports': () => metro(false),
  esbuild: () =>
    require('esbuild').build({
      entryPoints: [entry],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: output,
      logLevel: 'error',
    }),
  rollup: async () => {
    const plugins = [
      require('@rollup/plugin-node-resolve').nodeResolve({ preferBuiltins: true }),
      require('@rollup/plugin-commonjs')(),
    ];
    const onwarn = (warning) => {
      throw new Error(warning.message);
    };
    const bundle = await require('rollup').rollup({ input: entry, plugins, external: /^node:/, onwarn });
    await bundle.write({ file: output, format: 'es' });
  },
};

bundlers[bundler]().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
