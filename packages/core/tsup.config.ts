import { defineConfig } from 'tsup'

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/checks.ts',
    'src/cli/index.ts',
    'src/config.ts',
    'src/doctor/index.ts',
    'src/edge.ts',
    'src/encryption.ts',
    'src/http.ts',
    'src/node/index.ts',
    'src/rate-limit/index.ts',
    'src/testing.ts',
  ],
  format: ['esm'],
  target: 'node20',
  sourcemap: true,
  clean: true,
  removeNodeProtocol: false,
})
