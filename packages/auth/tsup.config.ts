import { defineConfig } from 'tsup'

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/access.ts',
    'src/edge.ts',
    'src/scopes.ts', // #oauth-server
    'src/client.ts',
    'src/next.ts',
    'src/next-proxy.ts',
    'src/worker.ts',
    'src/better-auth-plugins.ts',
    'src/testing.ts',
  ],
  // Bundled, because one file is imported faster than its fifty.
  noExternal: ['jose'],
  format: ['esm'],
  target: 'node20',
  sourcemap: true,
  clean: true,
  removeNodeProtocol: false,
})
