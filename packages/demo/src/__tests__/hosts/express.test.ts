/** Express 5 in TypeScript. */

import { EXPRESS } from './recipes.ts'
import { hostSuite } from './suite.ts'

hostSuite(EXPRESS)
