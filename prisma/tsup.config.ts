import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/checks.ts', 'src/database-of-command.ts', 'src/testing/index.ts'],
  format: ['esm'],
  target: 'node20',
  sourcemap: true,
  clean: true,
  removeNodeProtocol: false,
})
