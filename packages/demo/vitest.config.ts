import { postgres, project } from '../../vitest.workspace.ts'

export default project('demo', { globalSetup: [postgres] })
