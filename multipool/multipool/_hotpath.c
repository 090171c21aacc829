/* The everyday case of checkout and return in C: half of what Python takes for it.
 *
 * Each object made here stands for one of the functions of `hotpath`, and has it: it does the
 * same steps in the same order, and where anything is out of the ordinary it undoes the little it
 * did and calls the function instead. So all that is said of hot path and slow path there holds,
 * and what is decided is decided there. Without a compiler the pool does without.
 *
 * No step but the calls (`status`, `pass_to`, and what an object with a `__getattr__` of its own
 * does for its slot) runs Python code or lets go of the interpreter's lock. A `Slot` is read
 * and written where its `__slots__` lie in memory, which its class tells.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <structmember.h>
#ifdef __linux__
#include <sys/epoll.h>
#endif

/* Where the members lie that are used here, in bytes from the object's beginning. */
typedef struct {
    Py_ssize_t borrower, code, dated, former, has_past, lasti, leased, serial, settled_lease, since,
        wary;
    Py_ssize_t living; /* of a borrower */
    Py_ssize_t stacks; /* of a pool's tracing */
} Layout;

/* What one of these needs; all but the first two and the names are parts of its pool. */
enum {
    PYTHON, /* the function that it stands for */
    ATTRIBUTES, /* its `__dict__`, for that function's name and docstring */
    WAITING,
    IDLE,
    POP, /* of IDLE, as the next */
    PUSH,
    MATCH,
    HOME,
    STATUS,
    TRACING,
    UPKEEP,
    HERE,
    CLOCK,
    MONOTONIC,
    SLOT_TYPE,
    ONE,
    NAMES, /* from here on: of attributes */
    SLOT = NAMES,
    PASS_TO,
    BORROWER,
    ENDS,
    DUE,
    NOW,
    PARTS
};

static const char *const names[] = {"_multipool_slot", "pass_to", "borrower", "ends", "due", "now"};

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *weakrefs;
    int notes_frames;
    Layout at;
    PyObject *parts[PARTS];
} Path;

#define FIELD(object, offset) (*(PyObject **)((char *)(object) + (offset)))

/* Put *value*, a new reference, in the place of what is there. */
static void
put(PyObject *object, Py_ssize_t offset, PyObject *value)
{
    PyObject *old = FIELD(object, offset);
    FIELD(object, offset) = value;
    Py_XDECREF(old);
}

/* Clear an error that the function will find again, and knows what to say of; an interrupt stays. */
static void
leave_to_python(void)
{
    if (PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_Clear();
    }
}

/* Return the slot of *conn*, a new reference; NULL, as a rule without an error, if it has none. */
static PyObject *
slot_of(const Path *self, PyObject *conn)
{
    PyObject *slot = PyObject_GetAttr(conn, self->parts[SLOT]);
    if (slot == NULL) {
        leave_to_python();
    }
    else if ((PyObject *)Py_TYPE(slot) != self->parts[SLOT_TYPE]) {
        Py_CLEAR(slot);
    }
    return slot;
}

/* Whether the thread that asks had the connection last, or has it. */
static int
is_mine(const Path *self, PyObject *slot)
{
    PyObject *living = FIELD(FIELD(slot, self->at.borrower), self->at.living);
    return PyLong_AsUnsignedLong(living) == PyThread_get_thread_ident();
}

/* Return the frame *depth* calls up, a new reference, the caller's own being the first; or NULL. */
static PyFrameObject *
frame_of(long depth)
{
    PyFrameObject *frame = PyEval_GetFrame();
    Py_XINCREF(frame);
    while (frame != NULL && --depth > 0) {
        PyFrameObject *inner = frame;
        frame = PyFrame_GetBack(inner);
        Py_DECREF(inner);
    }
    return frame;
}

/* Begin the lease of a connection; *now* is NULL, or when that is. Return -1 with an error if an
 * interrupt came: then the connection is nobody's, and goes with its last reference. */
static int
lend(const Path *self, PyObject *slot, PyFrameObject *frame, PyObject *now)
{
    const Layout *at = &self->at;
    PyObject *serial = PyNumber_Add(FIELD(slot, at->serial), self->parts[ONE]);
    PyObject *lasti = PyLong_FromLong(frame == NULL ? 0 : PyFrame_GetLasti(frame));
    if (serial == NULL || lasti == NULL) {
        Py_XDECREF(serial);
        Py_XDECREF(lasti);
        return -1;
    }
    put(slot, at->code, frame == NULL ? Py_NewRef(Py_None) : (PyObject *)PyFrame_GetCode(frame));
    put(slot, at->lasti, lasti);
    if (now != NULL) {
        put(slot, at->since, Py_NewRef(now));
        put(slot, at->dated, Py_NewRef(serial));
    }
    put(slot, at->serial, serial);
    if (!is_mine(self, slot)) {
        PyObject *borrower = PyObject_GetAttr(self->parts[HERE], self->parts[BORROWER]);
        if (borrower == NULL) {
            return -1;
        }
        PyObject *passed = PyObject_CallMethodOneArg(slot, self->parts[PASS_TO], borrower);
        Py_DECREF(borrower);
        if (passed == NULL) {
            return -1;
        }
        Py_DECREF(passed);
    }
    put(slot, at->leased, Py_NewRef(self->parts[HOME]));
    return 0;
}

/* Return an idle connection, lent to the frame *depth* calls up; NULL, without an error if it is
 * not so easy. */
static PyObject *
check_out(const Path *self, long depth, PyObject *now)
{
    if (PyObject_Size(self->parts[WAITING]) != 0 || PyObject_Size(self->parts[IDLE]) <= 0) {
        return NULL;
    }
    PyObject *conn = PyObject_CallNoArgs(self->parts[POP]);
    if (conn == NULL) {
        return NULL;
    }
    PyObject *slot = slot_of(self, conn);
    PyFrameObject *frame = self->notes_frames ? frame_of(depth) : NULL;
    int easy = slot != NULL && FIELD(slot, self->at.wary) == Py_False
               && (frame != NULL || !self->notes_frames);
    if (!easy && !PyErr_Occurred()) {
        Py_XDECREF(PyObject_CallOneArg(self->parts[PUSH], conn));
    }
    if (!easy || lend(self, slot, frame, now) < 0) {
        Py_CLEAR(conn);
    }
    Py_XDECREF(frame);
    Py_XDECREF(slot);
    return conn;
}

/* Return whether *value* is a number of seconds, as `seconds` has it; of no class of its own. */
static int
is_seconds(PyObject *value)
{
    const double longest = 1e9;
    if (!PyFloat_CheckExact(value) && !PyLong_CheckExact(value)) {
        return 0;
    }
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1.0 && PyErr_Occurred()) { /* an integer that no float can hold */
        PyErr_Clear();
        return 0;
    }
    return -longest <= seconds && seconds <= longest;
}

/* Return whether the arguments are such that `check_out` may be tried; *depth* is set to theirs. */
static int
is_plain_checkout(const Path *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
                  long *depth)
{
    if (keywords != NULL || count > 3) { /* too many: Python says so */
        return 0;
    }
    if (count > 0 && args[0] != Py_None && !is_seconds(args[0])) {
        return 0; /* and what is wrong */
    }
    if (count > 1) {
        *depth = PyLong_Check(args[1]) ? PyLong_AsLong(args[1]) : 0;
        if (*depth < 1) {
            PyErr_Clear();
            return 0;
        }
    }
    return FIELD(self->parts[TRACING], self->at.stacks) == Py_False || (count > 2 && args[2] == Py_False);
}

static PyObject *
getconn(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    Path *self = (Path *)callable;
    long depth = 1;
    if (is_plain_checkout(self, args, PyVectorcall_NARGS(flags), keywords, &depth)) {
        PyObject *conn = check_out(self, depth, NULL);
        if (conn != NULL || PyErr_Occurred()) {
            return conn;
        }
    }
    return PyObject_Vectorcall(self->parts[PYTHON], args, flags, keywords);
}

/* Return whether no connection may have ended, by what upkeep knows or the system says; -1 with an
 * error. The system is asked itself, since it does not wait: `ended`, which lets go of the
 * interpreter's lock meanwhile, takes twice the time. */
static int
none_ended(const Path *self)
{
    PyObject *number = PyObject_GetAttr(self->parts[UPKEEP], self->parts[ENDS]);
    long ends = number == NULL ? -1 : PyLong_AsLong(number);
    Py_XDECREF(number);
    if (ends < 0) {
        return PyErr_Occurred() ? -1 : 1;
    }
#ifdef __linux__
    struct epoll_event event;
    return epoll_wait((int)ends, &event, 1, 0) == 0;
#else
    return 0;
#endif
}

/* Return whether there is nothing to be looked after, and the time in *now*; -1 with an error. */
static int
is_quiet(const Path *self, PyObject **now)
{
    int quiet = none_ended(self);
    if (quiet <= 0) {
        return quiet;
    }
    *now = PyObject_CallNoArgs(self->parts[MONOTONIC]);
    if (*now == NULL || PyObject_SetAttr(self->parts[CLOCK], self->parts[NOW], *now) < 0) {
        return -1;
    }
    PyObject *due = PyObject_GetAttr(self->parts[UPKEEP], self->parts[DUE]);
    quiet = due == NULL ? -1 : PyObject_RichCompareBool(*now, due, Py_LT);
    Py_XDECREF(due);
    return quiet;
}

static PyObject *
getconn_inline(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    Path *self = (Path *)callable;
    long depth = 1;
    if (is_plain_checkout(self, args, PyVectorcall_NARGS(flags), keywords, &depth)) {
        PyObject *now = NULL, *conn = NULL;
        int quiet = is_quiet(self, &now);
        if (quiet > 0) {
            conn = check_out(self, depth, now);
        }
        Py_XDECREF(now);
        if (conn != NULL || PyErr_Occurred()) {
            return conn;
        }
    }
    return PyObject_Vectorcall(self->parts[PYTHON], args, flags, keywords);
}

/* Return whether the connection is clean, its *slot* has nothing to be looked at, and, if it must
 * be, the lease is that of the thread that asks; -1 with an error. */
static int
is_clean(const Path *self, PyObject *conn, PyObject *slot, int mine)
{
    const Layout *at = &self->at;
    PyObject *status = PyObject_CallOneArg(self->parts[STATUS], conn);
    int busy = status == NULL ? -1 : PyObject_IsTrue(status);
    Py_XDECREF(status);
    if (busy != 0) {
        return busy < 0 ? -1 : 0;
    }
    if (mine && FIELD(slot, at->has_past) != Py_False) {
        int settles = PyObject_IsTrue(FIELD(slot, at->settled_lease));
        int passed_on = PyObject_IsTrue(FIELD(slot, at->former));
        if (settles || (passed_on && !is_mine(self, slot))) {
            return 0;
        }
    }
    return FIELD(slot, at->wary) == Py_False;
}

/* Put *conn*, whose lease ends, among the idle ones. From the look at `wary` to here there is no
 * call, see `hotpath`. */
static int
check_in(const Path *self, PyObject *conn, PyObject *slot)
{
    put(slot, self->at.leased, Py_NewRef(Py_None));
    PyObject *done = PyObject_CallOneArg(self->parts[PUSH], conn);
    Py_XDECREF(done);
    if (done != NULL && PyObject_Size(self->parts[WAITING]) != 0) {
        done = PyObject_CallNoArgs(self->parts[MATCH]);
        Py_XDECREF(done);
    }
    return done == NULL ? -1 : 0;
}

static PyObject *
putconn(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    Path *self = (Path *)callable;
    PyObject *slot = keywords == NULL && PyVectorcall_NARGS(flags) == 1 ? slot_of(self, args[0]) : NULL;
    if (slot != NULL) {
        int clean = is_clean(self, args[0], slot, 1);
        if (clean > 0 && FIELD(slot, self->at.leased) == self->parts[HOME]) {
            int failed = check_in(self, args[0], slot);
            Py_DECREF(slot);
            return failed ? NULL : Py_NewRef(Py_None);
        }
        Py_DECREF(slot);
        if (clean < 0) {
            leave_to_python();
        }
    }
    return PyErr_Occurred() ? NULL : PyObject_Vectorcall(self->parts[PYTHON], args, flags, keywords);
}

static PyObject *
endlease(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    Path *self = (Path *)callable;
    if (keywords == NULL && PyVectorcall_NARGS(flags) == 3 && (PyObject *)Py_TYPE(args[1]) == self->parts[SLOT_TYPE]) {
        PyObject *slot = args[1];
        int clean = is_clean(self, args[0], slot, 0);
        if (clean < 0) {
            return NULL;
        }
        int same = PyObject_RichCompareBool(FIELD(slot, self->at.serial), args[2], Py_EQ);
        if (same < 0) {
            return NULL;
        }
        /* Clean, that is looked at, before the comparison, which is of two numbers. */
        if (clean && same && FIELD(slot, self->at.leased) == self->parts[HOME]) {
            return check_in(self, args[0], slot) ? NULL : Py_NewRef(Py_True);
        }
    }
    return PyObject_Vectorcall(self->parts[PYTHON], args, flags, keywords);
}

/* -- how they are made ------------------------------------------------------------------------- */

static int
path_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    for (int part = 0; part < PARTS; part++) {
        Py_VISIT(((Path *)object)->parts[part]);
    }
    return 0;
}

/* No `tp_clear`: a finaliser in the same garbage may call it yet, and all cycles that it can be in
 * have members that can be cleared. */
static void
path_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    PyObject_ClearWeakRefs(object);
    for (int part = 0; part < PARTS; part++) {
        Py_CLEAR(((Path *)object)->parts[part]);
    }
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef path_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Path, call), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Path, weakrefs), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Path, parts[ATTRIBUTES]), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef path_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot path_slots[] = {
    {Py_tp_doc, "A function of `multipool.hotpath`, done in C where all is as usual."},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, path_traverse},
    {Py_tp_dealloc, path_dealloc},
    {Py_tp_members, path_members},
    {Py_tp_getset, path_getset},
    {0, NULL},
};

static PyType_Spec path_spec = {
    .name = "multipool._hotpath.Path",
    .basicsize = sizeof(Path),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = path_slots,
};

/* Set *offset* to where the objects of *type* have one of their `__slots__`. */
static int
find(PyObject *type, const char *name, Py_ssize_t *offset)
{
    PyObject *member = PyObject_GetAttrString(type, name);
    if (member == NULL) {
        return -1;
    }
    int found = Py_IS_TYPE(member, &PyMemberDescr_Type)
                && ((PyMemberDescrObject *)member)->d_member->type == T_OBJECT_EX;
    if (found) {
        *offset = ((PyMemberDescrObject *)member)->d_member->offset;
    }
    else {
        PyErr_Format(PyExc_TypeError, "%R has no slot %s", type, name);
    }
    Py_DECREF(member);
    return found ? 0 : -1;
}

static int
find_all(Layout *at, PyObject *slot, PyObject *borrower, PyObject *tracing)
{
    const struct {
        PyObject *type;
        const char *name;
        Py_ssize_t *offset;
    } wanted[] = {
        {slot, "_dated", &at->dated},
        {slot, "_since", &at->since},
        {slot, "borrower", &at->borrower},
        {slot, "code", &at->code},
        {slot, "former", &at->former},
        {slot, "has_past", &at->has_past},
        {slot, "lasti", &at->lasti},
        {slot, "leased", &at->leased},
        {slot, "serial", &at->serial},
        {slot, "settled_lease", &at->settled_lease},
        {slot, "wary", &at->wary},
        {borrower, "living", &at->living},
        {tracing, "stacks", &at->stacks},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(wanted); i++) {
        if (find(wanted[i].type, wanted[i].name, wanted[i].offset) < 0) {
            return -1;
        }
    }
    return 0;
}

PyDoc_STRVAR(stand_for_doc,
             "stand_for(function, kind, *, ...)\n--\n\n"
             "Return what does the same as *function*, the hot path's of that *kind*.\n\n"
             "Args:\n"
             "    kind: 0: getconn, 1: getconn in line, 2: putconn, 3: endlease.\n"
             "    notes_frames: whether it is noted where a lease began.\n\n"
             "The others are what the function itself needs, under the same names.");

static PyObject *
stand_for(PyObject *module, PyObject *args, PyObject *keywords)
{
    static const vectorcallfunc calls[] = {getconn, getconn_inline, putconn, endlease};
    static char *words[] = {"function", "kind",    "notes_frames", "waiting",   "idle",
                            "match",    "home",    "status",       "tracing",   "upkeep",
                            "here",     "clock",   "monotonic",    "slot_type", "borrower_type",
                            NULL};
    PyObject *function, *waiting, *idle, *match, *home, *status, *tracing, *upkeep, *here, *clock;
    PyObject *monotonic, *slot_type, *borrower_type;
    int kind, notes_frames;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Oi$pOOOOOOOOOOOO:stand_for", words, &function,
                                     &kind, &notes_frames, &waiting, &idle, &match, &home, &status,
                                     &tracing, &upkeep, &here, &clock, &monotonic, &slot_type,
                                     &borrower_type)) {
        return NULL;
    }
    if (kind < 0 || kind >= (int)Py_ARRAY_LENGTH(calls)) {
        return PyErr_Format(PyExc_ValueError, "kind %d is none of 0 to 3", kind);
    }
    PyTypeObject *type = *(PyTypeObject **)PyModule_GetState(module);
    Path *self = (Path *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->call = calls[kind];
    self->notes_frames = notes_frames;
    PyObject *const given[] = {
        [PYTHON] = function, [WAITING] = waiting, [IDLE] = idle,     [MATCH] = match,
        [HOME] = home,       [STATUS] = status,   [TRACING] = tracing, [UPKEEP] = upkeep,
        [HERE] = here,       [CLOCK] = clock,     [MONOTONIC] = monotonic,
        [SLOT_TYPE] = slot_type,
    };
    for (size_t part = 0; part < Py_ARRAY_LENGTH(given); part++) {
        self->parts[part] = Py_XNewRef(given[part]);
    }
    for (int part = NAMES; part < PARTS; part++) {
        self->parts[part] = PyUnicode_InternFromString(names[part - NAMES]);
    }
    self->parts[POP] = PyObject_GetAttrString(idle, "pop");
    self->parts[PUSH] = PyObject_GetAttrString(idle, "append");
    self->parts[ONE] = PyLong_FromLong(1);
    if (PyErr_Occurred()
        || find_all(&self->at, slot_type, borrower_type, (PyObject *)Py_TYPE(tracing)) < 0) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static PyMethodDef functions[] = {
    {"stand_for", (PyCFunction)(void (*)(void))stand_for, METH_VARARGS | METH_KEYWORDS,
     stand_for_doc},
    {NULL, NULL, 0, NULL},
};

static int
module_exec(PyObject *module)
{
    PyObject **type = PyModule_GetState(module);
    *type = PyType_FromModuleAndSpec(module, &path_spec, NULL);
    return *type == NULL ? -1 : 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    PyObject **type = PyModule_GetState(module);
    if (type != NULL) {
        Py_VISIT(*type);
    }
    return 0;
}

static int
module_clear(PyObject *module)
{
    PyObject **type = PyModule_GetState(module);
    if (type != NULL) {
        Py_CLEAR(*type);
    }
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_hotpath",
    .m_doc = "The everyday case of checkout and return; see `multipool.compiled_path`.",
    .m_size = sizeof(PyObject *),
    .m_methods = functions,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC
PyInit__hotpath(void)
{
    return PyModuleDef_Init(&module_definition);
}
