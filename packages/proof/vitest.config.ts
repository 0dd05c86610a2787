import { postgres, project } from '../../vitest.workspace.ts'

export default project('proof', { globalSetup: [postgres] })
