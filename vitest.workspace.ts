import { fileURLToPath } from 'node:url'
import {
  configDefaults,
  defineConfig,
  defineProject,
  type UserWorkspaceConfig,
} from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** Starts one PostgreSQL for the whole run and clones a migrated template per test file. */
export const postgres = path('./prisma/src/testing/global-setup.ts')

/** After `postgres`: the clones have the tables of the queue as well. */
export const queue = path('./packages/jobs/src/testing/global-setup.ts')

/** Lets test files share a process and its packages, but no module of the workspace. */
const freshModules = path('./prisma/src/testing/fresh-modules.ts')

/** The files that `pnpm test:pooler` leaves out, each with its reason. */
const NOT_POOLED = [
  // They count statements. Through a pooler each statement outside of a transaction is a transaction of three.
  'src/__tests__/statements.test.ts',
  'src/__tests__/statement-counts.test.ts',
]

/** What the projects share: packages resolve to their source, so tests need no build. */
export function project(name: string, test: UserWorkspaceConfig['test'] = {}): UserWorkspaceConfig {
  return defineProject({
    resolve: { conditions: ['source'] },
    ssr: { resolve: { conditions: ['source'], externalConditions: ['source'] } },
    environments: { __vitest__: { resolve: { conditions: ['source'] } } },
    test: {
      name,
      include: ['src/**/*.test.{ts,tsx}'],
      exclude: [...configDefaults.exclude, ...(process.env.TEST_POOLER === '1' ? NOT_POOLED : [])],
      // Starting, loading and warming up a process for each file would be most of a run.
      isolate: false,
      // For what hangs. A test has no limit of its own, because a slow machine is not a fault.
      testTimeout: 600_000,
      hookTimeout: 600_000,
      expect: { poll: { timeout: 120_000 } },
      ...test,
      setupFiles: [freshModules],
    },
  })
}

/** Starts the longest file first. The other processors run everything else beside it. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLongest = ({ project }: TestSpecification) => project.name === 'next'
    return [...sorted.filter(isLongest), ...sorted.filter((file) => !isLongest(file))]
  }
}

export default defineConfig({
  test: {
    // Vitest leaves a processor free, which with two of them is half of the machine.
    maxWorkers: '100%',
    sequence: { sequencer: LongestFirst },
    // What every test stands on and no test imports. With `--changed` a change here runs them all.
    forceRerunTriggers: [
      ...configDefaults.forceRerunTriggers,
      ...['pnpm-lock.yaml', 'tsconfig.base.json', 'vitest.workspace.ts'].map(path),
      path('prisma/{migrations,schema,sql,src/testing}/**'),
      path('packages/jobs/src/testing/**'),
    ],
    projects: [
      'packages/*/vitest.config.ts',
      'packages/*/vitest.next.config.ts',
      'prisma/vitest.config.ts',
    ],
  },
})
