// Package matrixphone is a Matrix client for tests: a small page around
// matrix-js-sdk, in a real browser. It shows its call under the same ids as the
// softphone page, so that whatever measures that one measures this one, too.
//
// It knows nothing of Tandem: what it can do, it can do with any other Matrix user.
package matrixphone
