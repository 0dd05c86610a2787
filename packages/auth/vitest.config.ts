import { postgres, project } from '../../vitest.workspace.ts'

export default project('auth', { globalSetup: [postgres] })
