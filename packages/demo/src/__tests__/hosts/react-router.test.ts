/** React Router in framework mode. */

import { REACT_ROUTER } from './recipes.ts'
import { hostSuite } from './suite.ts'

hostSuite(REACT_ROUTER)
