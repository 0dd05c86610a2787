import { configDefaults } from 'vitest/config'
import { postgres, project, queue } from '../../vitest.workspace.ts'

export default project('demo', {
  globalSetup: [postgres, queue],
  // They have projects of their own: vitest.next.config.ts, and vitest.hosts.config.ts of `pnpm test:hosts`.
  exclude: [...configDefaults.exclude, 'src/__tests__/nextApp.test.ts', 'src/__tests__/hosts/**'],
})
