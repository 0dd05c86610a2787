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
  // Bundled, because one file is imported faster than many: Stripe's SDK took 110 ms and takes 20. Copies of
  // `@opentelemetry/api` share what a host has registered.
  noExternal: ['stripe', 'uuid', '@opentelemetry/api'],
  format: ['esm'],
  target: 'node20',
  sourcemap: true,
  clean: true,
  removeNodeProtocol: false,
})
