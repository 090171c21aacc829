/* The walks through a stack in C, for a fifth of what they cost in Python: each statement that is
 * watched takes one or two. What they return, and why, is said in `stacks`.
 *
 * The functions are bound to `is_library`, which knows the files by their names.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* As in `stacks`, of which a test sees that they are the same. */
enum { INNERMOST = 24, APPLICATION = 5, MOST = 100 };

/* Return whether *code* is a library's; -1 with an error. */
static int
is_librarys(PyObject *is_library, PyObject *code)
{
    if (!PyCode_Check(code)) {
        PyErr_Format(PyExc_TypeError, "%R is no code", code);
        return -1;
    }
    PyObject *name = ((PyCodeObject *)code)->co_filename;
    PyObject *known = PyDict_GetItemWithError(is_library, name);
    if (known != NULL) {
        return known == Py_True;
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    known = PyObject_GetItem(is_library, name); /* which learns */
    int found = known == NULL ? -1 : PyObject_IsTrue(known);
    Py_XDECREF(known);
    return found;
}

/* Let *frame* be the one that called it, or NULL. */
static void
go_back(PyFrameObject **frame)
{
    PyFrameObject *inner = *frame;
    *frame = PyFrame_GetBack(inner);
    Py_DECREF(inner);
}

/* A stack that is being read: made a list in one piece, which a list that grows is not. */
struct trail {
    Py_ssize_t size;
    PyObject *parts[2 * MOST];
};

/* Add to *trail* where *frame* is; return -1 with an error. */
static int
add(struct trail *trail, PyFrameObject *frame)
{
    PyObject *lasti = PyLong_FromLong(PyFrame_GetLasti(frame));
    if (lasti == NULL) {
        return -1;
    }
    trail->parts[trail->size++] = (PyObject *)PyFrame_GetCode(frame);
    trail->parts[trail->size++] = lasti;
    return 0;
}

/* Add what lies beyond the innermost ones, until there is enough of the application's. */
static int
go_on(PyObject *is_library, struct trail *trail, PyFrameObject **frame)
{
    int missing = APPLICATION;
    for (Py_ssize_t i = 0;; i += 2) {
        if (i == trail->size) {
            if (*frame == NULL || i == 2 * MOST) {
                return 0;
            }
            if (add(trail, *frame) < 0) {
                return -1;
            }
            go_back(frame);
        }
        int librarys = is_librarys(is_library, trail->parts[i]);
        if (librarys < 0) {
            return -1;
        }
        if (!librarys && --missing == 0) {
            return 0;
        }
    }
}

static PyObject *
whole(PyObject *is_library, PyObject *argument)
{
    if (argument != Py_None && !PyFrame_Check(argument)) {
        return PyErr_Format(PyExc_TypeError, "%R is no frame", argument);
    }
    struct trail trail;
    trail.size = 0; /* and no more: to clear it all would take longer than to walk */
    PyFrameObject *frame = argument == Py_None ? NULL : (PyFrameObject *)Py_NewRef(argument);
    int failed = 0;
    while (frame != NULL && !failed && trail.size < 2 * INNERMOST) {
        failed = add(&trail, frame) < 0;
        go_back(&frame);
    }
    if (frame != NULL && !failed) {
        failed = go_on(is_library, &trail, &frame) < 0;
    }
    Py_XDECREF(frame);
    PyObject *stack = failed ? NULL : PyList_New(trail.size);
    for (Py_ssize_t i = 0; i < trail.size; i++) {
        if (stack == NULL) {
            Py_DECREF(trail.parts[i]);
        }
        else {
            PyList_SET_ITEM(stack, i, trail.parts[i]);
        }
    }
    return stack;
}

static PyObject *
caller(PyObject *is_library, PyObject *argument)
{
    if (!PyFrame_Check(argument)) {
        return PyErr_Format(PyExc_TypeError, "%R is no frame", argument);
    }
    PyFrameObject *frame = (PyFrameObject *)Py_NewRef(argument), *found = NULL;
    int librarys = 1;
    for (int i = 0; i <= MOST && frame != NULL && librarys > 0; i++) {
        PyObject *code = (PyObject *)PyFrame_GetCode(frame);
        librarys = is_librarys(is_library, code);
        Py_DECREF(code);
        if (librarys > 0) {
            go_back(&frame);
        }
        else {
            found = frame;
        }
    }
    PyObject *place = NULL;
    if (librarys >= 0) {
        found = found == NULL ? (PyFrameObject *)argument : found;
        place = Py_BuildValue("(Ni)", PyFrame_GetCode(found), PyFrame_GetLasti(found));
    }
    Py_XDECREF(frame);
    return place;
}

static PyObject *
site_of(PyObject *is_library, PyObject *argument)
{
    PyObject *stack = PySequence_Fast(argument, "a stack is a sequence");
    if (stack == NULL) {
        return NULL;
    }
    Py_ssize_t found = 0, size = PySequence_Fast_GET_SIZE(stack);
    int librarys = 1;
    for (Py_ssize_t i = 0; i + 1 < size && librarys > 0; i += 2) {
        librarys = is_librarys(is_library, PySequence_Fast_GET_ITEM(stack, i));
        found = librarys ? 0 : i;
    }
    PyObject *place = NULL;
    if (size < 2) {
        PyErr_SetString(PyExc_IndexError, "the stack is empty");
    }
    else if (librarys >= 0) {
        place = PyTuple_Pack(2, PySequence_Fast_GET_ITEM(stack, found),
                             PySequence_Fast_GET_ITEM(stack, found + 1));
    }
    Py_DECREF(stack);
    return place;
}

/* Return whether *frame*, whose code is *code*, is of the function *name* of *module*. */
static int
is_of(PyFrameObject *frame, PyCodeObject *code, PyObject *name, PyObject *module)
{
    int same = code->co_name == name;
    if (!same && !(PyUnicode_CHECK_INTERNED(code->co_name) && PyUnicode_CHECK_INTERNED(name))) {
        same = PyObject_RichCompareBool(code->co_name, name, Py_EQ);
    }
    if (same > 0) {
        PyObject *globals = PyFrame_GetGlobals(frame);
        PyObject *own = Py_XNewRef(PyDict_GetItemString(globals, "__name__"));
        same = own == NULL ? 0 : PyObject_RichCompareBool(own, module, Py_EQ);
        Py_XDECREF(own);
        Py_DECREF(globals);
    }
    return same;
}

static PyObject *
outermost(PyObject *is_library, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3 || !PyFrame_Check(arguments[0]) || !PyUnicode_Check(arguments[1])) {
        return PyErr_Format(PyExc_TypeError, "outermost takes a frame, a name and a module's name");
    }
    PyFrameObject *frame = (PyFrameObject *)Py_NewRef(arguments[0]), *found = NULL;
    PyObject *file = NULL; /* of the frame before: several in a row are of the same one */
    int last = 0, librarys = 1;
    while (frame != NULL && last == 0) {
        PyCodeObject *code = PyFrame_GetCode(frame);
        last = is_of(frame, code, arguments[1], arguments[2]);
        int counts = last > 0;
        if (last == 0) {
            if (code->co_filename != file) {
                file = code->co_filename;
                librarys = is_librarys(is_library, (PyObject *)code);
            }
            last = librarys < 0 ? -1 : 0;
            counts = !librarys && PyUnicode_CompareWithASCIIString(code->co_name, "<module>");
        }
        if (counts) {
            Py_XSETREF(found, (PyFrameObject *)Py_NewRef(frame));
        }
        Py_DECREF(code);
        go_back(&frame);
    }
    Py_XDECREF(frame);
    if (last < 0) {
        Py_XDECREF(found);
        return NULL;
    }
    return found == NULL ? Py_NewRef(Py_None) : (PyObject *)found;
}

static PyMethodDef walks[] = {
    {"whole", whole, METH_O, PyDoc_STR("whole(frame)\n--\n\nSee `stacks`.")},
    {"caller", caller, METH_O, PyDoc_STR("caller(frame)\n--\n\nSee `stacks`.")},
    {"site_of", site_of, METH_O, PyDoc_STR("site_of(stack)\n--\n\nSee `stacks`.")},
    {"outermost", (PyCFunction)(void (*)(void))outermost, METH_FASTCALL,
     PyDoc_STR("outermost(frame, name, module)\n--\n\nSee `stacks`.")},
};

static PyObject *
bound_to(PyObject *module, PyObject *is_library)
{
    if (!PyDict_Check(is_library)) {
        return PyErr_Format(PyExc_TypeError, "%R is no dict", is_library);
    }
    PyObject *bound = PyTuple_New(Py_ARRAY_LENGTH(walks));
    for (size_t i = 0; bound != NULL && i < Py_ARRAY_LENGTH(walks); i++) {
        PyObject *function = PyCFunction_New(&walks[i], is_library);
        if (function == NULL) {
            Py_CLEAR(bound);
        }
        else {
            PyTuple_SET_ITEM(bound, (Py_ssize_t)i, function);
        }
    }
    return bound;
}

static PyMethodDef functions[] = {
    {"bound_to", bound_to, METH_O,
     PyDoc_STR("bound_to(is_library)\n--\n\n"
               "Return `whole`, `caller`, `site_of` and `outermost` for that notion of a library.")},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_stacks",
    .m_doc = "Walks through a stack; see `multipool.watch.stacks`.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__stacks(void)
{
    return PyModuleDef_Init(&definition);
}
