import { fileURLToPath } from 'node:url'
import { defineConfig, defineProject, type UserWorkspaceConfig } from 'vitest/config'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** Starts one PostgreSQL for the whole run and clones a migrated template per test file. */
export const postgres = path('./prisma/src/testing/global-setup.ts')

/** What the projects share: packages resolve to their source, so tests need no build. */
export function project(name: string, test: UserWorkspaceConfig['test'] = {}): UserWorkspaceConfig {
  return defineProject({
    resolve: { conditions: ['source'] },
    ssr: { resolve: { conditions: ['source'], externalConditions: ['source'] } },
    environments: { __vitest__: { resolve: { conditions: ['source'] } } },
    test: {
      name,
      include: ['src/**/*.test.{ts,tsx}'],
      // For what hangs. A test has no limit of its own, because a slow machine is not a fault.
      testTimeout: 600_000,
      hookTimeout: 600_000,
      expect: { poll: { timeout: 120_000 } },
      ...test,
    },
  })
}

export default defineConfig({
  test: {
    // Vitest leaves a processor free, which with two of them is half of the machine.
    maxWorkers: '100%',
    projects: [
      'packages/*/vitest.config.ts',
      'packages/*/vitest.next.config.ts',
      'prisma/vitest.config.ts',
    ],
  },
})
