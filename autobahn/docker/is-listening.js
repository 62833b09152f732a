// Exits with code 0 if a port of this machine accepts connections: node is-listening.js 9002
import { connect } from 'node:net';

connect(Number(process.argv[2]), '127.0.0.1')
  .on('connect', () => process.exit(0))
  .on('error', () => process.exit(1));
