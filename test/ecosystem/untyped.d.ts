// Packages without their own types.
declare module 'chrome-remote-interface';
declare module 'express';
declare module 'express-ws';
declare module 'jsdom';
