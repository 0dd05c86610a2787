import { configDefaults } from 'vitest/config'
import { postgres, project, queue } from '../../vitest.workspace.ts'

export default project('demo', {
  globalSetup: [postgres, queue],
  // It has a project of its own: vitest.next.config.ts.
  exclude: [...configDefaults.exclude, 'src/__tests__/nextApp.test.ts'],
})
