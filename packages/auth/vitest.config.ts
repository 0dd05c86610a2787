import { postgres, project } from '../../vitest.workspace.ts'

export default project('auth', {
  globalSetup: [postgres],
  // Better Auth keeps what it finds when it is loaded, but asks for TEST each time, so a file can do without.
  env: { NODE_ENV: '' },
})
