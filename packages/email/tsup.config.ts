import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/checks.ts', 'src/templates/index.ts', 'src/testing.ts'],
  // Bundled, because one file is imported faster than many: the components took 370 ms and take 53, and the SDK
  // took 27 and takes 8. The components are frozen upstream, and so hosts do not install them.
  noExternal: [/^@react-email\//, 'resend'],
  esbuildPlugins: [
    {
      // The SDK imports it to render a template of React, where a host has installed it.
      name: 'render-of-resend',
      setup: ({ onResolve }) =>
        onResolve({ filter: /^@react-email\/render$/ }, ({ kind, path }) =>
          kind === 'dynamic-import' ? { path, external: true } : undefined,
        ),
    },
  ],
  treeshake: true,
  format: ['esm'],
  target: 'node20',
  sourcemap: true,
  clean: true,
  removeNodeProtocol: false,
})
