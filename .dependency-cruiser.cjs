/**
 * Imports run one way (docs/ARCHITECTURE.md, "The house"). test/unit/habits/import-rules.test.ts breaks
 * every rule once, on purpose, so that a rule that stopped firing is noticed.
 *
 * dependency-cruiser parses TypeScript with the compiler's JavaScript API, which version 7 no longer has:
 * that is why `typescript` in package.json is the API-compatible version 6 and the compiler that checks
 * the types is `@typescript/native`.
 */

/** What each folder of src may import besides itself; service may import everything. */
const FOLDERS = {
  base: [],
  errors: ['base'],
  block: ['base', 'errors'],
  repositories: ['base', 'errors', 'block'],
  vdisk: ['base', 'errors', 'block', 'repositories'],
  volumes: ['base', 'errors', 'block', 'repositories', 'vdisk'],
  exports: ['base', 'errors', 'block', 'repositories', 'vdisk'],
  nbd: ['base', 'errors', 'block', 'exports'],
  iscsi: ['base', 'errors', 'block'],
  pxe: ['base', 'errors'],
  adapters: ['base', 'errors', 'block', 'repositories', 'nbd', 'iscsi'],
  control: ['base', 'errors', 'repositories'],
  api: ['base', 'errors', 'control'],
  xenapi: ['base', 'errors', 'block', 'repositories', 'vdisk', 'control'],
  cli: ['base', 'errors'],
};

const oneWay = Object.entries(FOLDERS).map(([folder, allowed]) => ({
  name: `${folder}-imports-only-what-stands-below-it`,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: { path: '^src/', pathNot: `^src/(${[folder, ...allowed].join('|')})/` },
}));

module.exports = {
  forbidden: [
    ...oneWay,
    {
      name: 'every-folder-has-its-place',
      severity: 'error',
      comment: 'A new folder of src gets its line in FOLDERS first.',
      from: { path: '^src/', pathNot: `^src/(service|${Object.keys(FOLDERS).join('|')})/` },
      to: {},
    },
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Not even inside a folder, not even of types: a reader must be able to start somewhere.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'a-folder-is-entered-through-its-index',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: {
        path: '^src/([^/]+)/(?!index\\.ts$)',
        pathNot: ['^src/$1/', '^src/adapters/[^/]+/index\\.ts$'],
      },
    },
    {
      name: 'adapters-are-strangers-to-each-other',
      severity: 'error',
      from: { path: '^src/adapters/([^/]+)/' },
      to: { path: '^src/adapters/[^/]+/', pathNot: '^src/adapters/$1/' },
    },
    {
      name: 'wire-codecs-are-pure',
      severity: 'error',
      comment: 'Bytes, sockets and state are three files.',
      from: { path: '^src/.*/wire/' },
      to: {
        path: '^(node:)?(net|tls|dgram|dns|fs|http|https|child_process|timers|worker_threads)(/|$)',
        dependencyTypes: ['core'],
      },
    },
    {
      name: 'the-library-is-usable-alone',
      severity: 'error',
      comment: 'rootcast/nbd must not pull in the service, the catalog or a web framework.',
      from: { path: '^src/(base|errors|block|nbd|iscsi)/' },
      to: { path: 'node_modules/', pathNot: 'node_modules/lru-cache/' },
    },
    {
      name: 'examples-use-the-public-entries',
      severity: 'error',
      comment: 'What an example imports is what package.json exports.',
      from: { path: '^examples/' },
      to: { path: '^(src|test|bench)/', pathNot: '^src/(nbd|block)/index\\.ts$' },
    },
    {
      name: 'the-program-needs-no-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|scripts|examples)/' },
    },
    {
      name: 'the-program-needs-no-development-packages',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'every-import-is-found',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
    builtInModules: { add: ['node:sqlite', 'node:test', 'node:sea'] },
  },
};
