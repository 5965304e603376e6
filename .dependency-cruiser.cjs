/**
 * Imports run one way (docs/ARCHITECTURE.md, "The house"):
 * base <- errors <- block <- repositories <- vdisk <- exports <- nbd; adapters -> repositories' ports;
 * control -> repositories and types; api -> control; service -> everything.
 */
const FOLDERS = {
  base: [],
  errors: ['base'],
  block: ['base', 'errors'],
  repositories: ['base', 'errors', 'block'],
  vdisk: ['base', 'errors', 'block', 'repositories'],
  exports: ['base', 'errors', 'block', 'repositories', 'vdisk'],
  nbd: ['base', 'errors', 'block', 'exports'],
  pxe: ['base', 'errors'],
  adapters: ['base', 'errors', 'block', 'repositories', 'nbd'],
  control: ['base', 'errors', 'repositories'],
  api: ['base', 'errors', 'control'],
  cli: ['base', 'errors'],
  service: Object.values({ all: '.*' }),
};

const oneWay = Object.entries(FOLDERS)
  .filter(([folder]) => folder !== 'service')
  .map(([folder, allowed]) => ({
    name: `${folder}-imports-only-what-stands-below-it`,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: {
      path: '^src/',
      pathNot: `^src/(${[folder, ...allowed].join('|')})/`,
    },
  }));

module.exports = {
  forbidden: [
    ...oneWay,
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Not even inside a folder: a reader must be able to start somewhere.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'a-folder-is-entered-through-its-index',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '^src/([^/]+)/(?!index\\.ts$)', pathNot: ['^src/$1/', '^src/adapters/[^/]+/index\\.ts$'] },
    },
    {
      name: 'wire-codecs-are-pure',
      severity: 'error',
      comment: 'Bytes, sockets and state are three files.',
      from: { path: '^src/.*/wire/' },
      to: { path: '^(node:)?(net|tls|dgram|fs|http|https)(/|$)', dependencyTypes: ['core'] },
    },
    {
      name: 'the-library-is-usable-alone',
      severity: 'error',
      comment: 'rootcast/nbd must not pull in the service, the catalog or a web framework.',
      from: { path: '^src/(base|errors|block|nbd)/' },
      to: { dependencyTypes: ['npm'], pathNot: 'node_modules/lru-cache/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'], conditionNames: ['import', 'node', 'default', 'types'] },
    builtInModules: { add: ['node:sqlite'] },
  },
};
