/** The only module that imports the component library, so that it can be replaced in one file. */
export {
  Body,
  Button,
  Container,
  Head,
  Heading,
  Hr,
  Html,
  Link,
  Preview,
  Section,
  Text,
} from '@react-email/components'
export { Action, Layout, Paragraph } from './layout.tsx'
