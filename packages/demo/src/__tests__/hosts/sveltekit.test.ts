/** SvelteKit, built for Node. */

import { SVELTEKIT } from './recipes.ts'
import { hostSuite } from './suite.ts'

hostSuite(SVELTEKIT)
