import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/templates/index.ts', 'src/testing.ts'],
  // Frozen upstream: bundled, so that hosts do not install them. Import cost 53 ms instead of 370.
  noExternal: [/^@react-email\//],
  treeshake: true,
  format: ['esm'],
  target: 'node20',
  sourcemap: true,
  clean: true,
  removeNodeProtocol: false,
})
