// Packages that bring no types of their own.
declare module 'chrome-remote-interface';
declare module 'express';
declare module 'express-ws';
declare module 'jsdom';
