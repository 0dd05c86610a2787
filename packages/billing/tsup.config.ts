import { defineConfig } from 'tsup'

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/credits/index.ts',
    'src/orders/index.ts',
    'src/webhooks/index.ts',
    'src/worker.ts',
    'src/testing.ts',
  ],
  format: ['esm'],
  target: 'node20',
  sourcemap: true,
  clean: true,
  removeNodeProtocol: false,
})
