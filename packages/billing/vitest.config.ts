import { postgres, project, queue } from '../../vitest.workspace.ts'

export default project('billing', { globalSetup: [postgres, queue] })
