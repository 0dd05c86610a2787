import { project } from '../../vitest.workspace.ts'

/** The hosts in each framework: installed, built and used. `pnpm test:hosts` runs them, and `pnpm test` does not. */
export default project('hosts', {
  include: ['src/__tests__/hosts/*.test.ts'],
})
