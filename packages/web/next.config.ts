import { withTollgate } from '@repo/core/next-config'

export default withTollgate({})
